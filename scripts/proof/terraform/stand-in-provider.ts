/**
 * A Terraform provider that knows its schema and nothing else. `terraform validate` and `terraform test` with mocked providers ask a
 * provider for no more; so modules of a provider whose plugin is not here are checked by Terraform itself: names, types,
 * required arguments, and every property that their tests assert.
 *
 * Terraform starts it, reads one line of its output (where it listens, its certificate) and calls it by gRPC over a Unix
 * socket. Takes the schema's file as its only argument. Ends when it is told to, or when Terraform is gone.
 */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeSchema, type ProviderSchema } from './provider-schema.ts';

const nothing = Buffer.alloc(0);
const serving = Buffer.from([0x08, 0x01]);
const unimplemented = '12';

const schema = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as ProviderSchema;
const answers: Readonly<Record<string, Buffer>> = {
  '/tfplugin6.Provider/GetProviderSchema': encodeSchema(schema),
  '/tfplugin6.Provider/ValidateProviderConfig': nothing,
  '/tfplugin6.Provider/ValidateResourceConfig': nothing,
  '/tfplugin6.Provider/ValidateDataResourceConfig': nothing,
  '/tfplugin6.Provider/StopProvider': nothing,
  '/plugin.GRPCController/Shutdown': nothing,
  '/grpc.health.v1.Health/Check': serving,
};

const folder = mkdtempSync(join(tmpdir(), 'stand-in-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const { key, cert } = makeCertificate(folder);
const server = createSecureServer({ key, cert });
server.on('stream', (stream, headers) => answer(stream, String(headers[':path'])));
const socket = join(folder, 'socket');
server.listen(socket, () => {
  const der = new X509Certificate(cert).raw.toString('base64').replace(/=+$/, '');
  process.stdout.write(`1|6|unix|${socket}|grpc|${der}\n`);
});
// Terraform was killed: nobody else has this output.
process.stdout.on('error', () => process.exit(0));

function answer(stream: ServerHttp2Stream, method: string): void {
  const content = answers[method];
  stream.on('error', () => {
    // Terraform hung up; it wants no answer any more.
  });
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': content === undefined ? unimplemented : '0' }));
  if (content === undefined) {
    stream.end();
    return;
  }
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(content.length, 1);
  stream.end(Buffer.concat([prefix, content]));
  if (method.endsWith('/Shutdown')) stream.on('close', () => process.exit(0));
}

/** Terraform trusts exactly the certificate that it was told, for the name localhost. */
function makeCertificate(into: string): { key: string; cert: string } {
  const file = (name: string): string => join(into, name);
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', file('key'), '-out', file('cert')], {
    stdio: 'ignore',
  });
  return { key: readFileSync(file('key'), 'utf8'), cert: readFileSync(file('cert'), 'utf8') };
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * What a Docker daemon changes of the machine's network and leaves changed: packet filter, forwarding, bridges.
 *
 * A caretaker (a few lines of shell in a session of its own) has looked before the daemon starts. When it is told, or this process
 * has died in whatever way, it waits until the daemon is gone and puts everything back.
 */
export interface NetworkState {
  /** Names the daemon. Without this, nothing was changed. */
  readonly changedBy: (pid: number) => void;
  /** Resolves once everything is as it was. The daemon has to be gone, or going. */
  readonly giveBack: () => Promise<void>;
}

// Tables that the daemon has made since would stay; told to be empty, they are.
const caretakerScript = String.raw`
trap '' INT TERM HUP
forwarding=/proc/sys/net/ipv4/ip_forward
forwarded=$(cat $forwarding)
links=$(ls /sys/class/net)
# Where they cannot be read they are not written either.
readable=yes
rules=$(iptables-save 2>/dev/null) || readable=no
case $rules in *'*nat'*) ;; *) rules="$rules
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
COMMIT" ;; esac
case $rules in *'*filter'*) ;; *) rules="$rules
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT" ;; esac
echo remembered
read -r daemon || exit 0
while read -r word; do :; done
for attempt in $(seq 200); do kill -0 "$daemon" 2>/dev/null || break; sleep 0.1; done
for link in $(ls /sys/class/net); do
  case $link in br-* | veth*) echo "$links" | grep -qx "$link" || ip link delete "$link" ;; esac
done
[ $readable = no ] || printf '%s\n' "$rules" | iptables-restore
[ "$(cat $forwarding)" = "$forwarded" ] || echo "$forwarded" > $forwarding
`;

export async function rememberNetwork(path: string): Promise<NetworkState> {
  const caretaker = spawn('/bin/sh', ['-c', caretakerScript, 'tallyman-caretaker'], {
    cwd: '/',
    detached: true,
    env: { PATH: path },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const gone = once(caretaker, 'exit');
  await Promise.race([once(caretaker.stdout, 'data'), gone]);
  return {
    changedBy: (pid) => void caretaker.stdin.write(`${pid}\n`),
    async giveBack() {
      caretaker.stdin.end();
      await gone;
    },
  };
}

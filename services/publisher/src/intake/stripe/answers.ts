import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { sendJson } from '../../../../../shared/http/respond.ts';
import { RequestFault } from '../request-fault.ts';
import { newRequestId } from './call.ts';
import { StripeRefusal } from './refusal.ts';

const echoed = ['idempotency-key', 'stripe-account', 'stripe-version'] as const;

/** Answers as Stripe does: with the request's id, and the headers that it repeats. */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  const all: OutgoingHttpHeaders = { 'request-id': newRequestId(Date.now()), ...headers };
  for (const name of echoed) {
    const value = request.headers[name];
    if (value !== undefined) all[name] = value;
  }
  sendJson(response, status, body, all);
}

export function answerRefusal(request: IncomingMessage, response: ServerResponse, refused: StripeRefusal): void {
  const { status, type, code, param, message } = refused;
  // What is wrong stays wrong. Stripe's clients would not repeat these anyway.
  answer(request, response, status, { error: { type, code, message, param } }, { 'stripe-should-retry': 'false' });
}

/** A refusal of ours in Stripe's form: Stripe's clients repeat a 503 by themselves, and are told that they may. */
export function answerFault(request: IncomingMessage, response: ServerResponse, fault: RequestFault): void {
  const { status, code, message, retryAfterS } = fault;
  const type = status >= 500 ? 'api_error' : 'invalid_request_error';
  const headers: OutgoingHttpHeaders = { 'stripe-should-retry': String(status >= 500) };
  if (retryAfterS !== undefined) headers['retry-after'] = String(retryAfterS);
  answer(request, response, status, { error: { type, code, message } }, headers);
}

/** False for what is neither: a failure of ours. */
export function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): boolean {
  if (error instanceof StripeRefusal) answerRefusal(request, response, error);
  else if (error instanceof RequestFault) answerFault(request, response, error);
  else return false;
  return true;
}

import { type Answer, invalid, missingParameter } from './answers.ts';
import { refuseUnknown } from './billing/params.ts';
import { type Form, textAt } from './form.ts';

export interface Adjustment {
  readonly eventName: string;
  readonly identifier: string;
}

/** The parameters of `POST /v1/billing/meter_event_adjustments`. */
export function readAdjustment(params: Form): Adjustment | Answer {
  const unknown = refuseUnknown(params, ['event_name', 'type', 'cancel']);
  if (unknown !== undefined) return unknown;
  const eventName = textAt(params, 'event_name');
  const type = textAt(params, 'type');
  const identifier = textAt(params, 'cancel', 'identifier');
  if (eventName === undefined) return missingParameter('event_name');
  if (type === undefined) return missingParameter('type');
  if (type !== 'cancel') return invalid('Invalid type: must be cancel', { param: 'type' });
  if (identifier === undefined) return missingParameter('cancel[identifier]');
  return { eventName, identifier };
}

export function adjustmentObject({ eventName, identifier }: Adjustment, livemode: boolean): object {
  return {
    object: 'billing.meter_event_adjustment',
    cancel: { identifier },
    event_name: eventName,
    livemode,
    // Stripe works on it for a while; here it is done at once.
    status: 'pending',
    type: 'cancel',
  };
}

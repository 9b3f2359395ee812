import { type Answer, invalid, missingParameter, tooLong, unknownParameter } from './answers.ts';
import { type Form, textAt } from './form.ts';

export type Formula = 'sum' | 'count' | 'last';
export type EventTimeWindow = 'hour' | 'day';

const formulas: readonly Formula[] = ['sum', 'count', 'last'];
const windows: readonly EventTimeWindow[] = ['hour', 'day'];

export interface MeterDefinition {
  readonly displayName: string;
  readonly eventName: string;
  readonly formula: Formula;
  readonly customerKey: string;
  readonly valueKey: string;
  readonly eventTimeWindow: EventTimeWindow | undefined;
}

const createParameters = [
  'display_name',
  'event_name',
  'default_aggregation',
  'customer_mapping',
  'value_settings',
  'event_time_window',
  'expand',
];

export function readDefinition(params: Form): MeterDefinition | Answer {
  for (const name of Object.keys(params)) if (!createParameters.includes(name)) return unknownParameter(name);
  const displayName = textAt(params, 'display_name');
  const eventName = textAt(params, 'event_name');
  const formulaText = textAt(params, 'default_aggregation', 'formula');
  if (displayName === undefined) return missingParameter('display_name');
  if (eventName === undefined) return missingParameter('event_name');
  if (formulaText === undefined) return missingParameter('default_aggregation[formula]');
  if (eventName.length > 100) return tooLong('event_name', 100);
  if (displayName.length > 250) return tooLong('display_name', 250);
  const formula = formulas.find((known) => known === formulaText);
  if (formula === undefined) {
    return invalid('Invalid default_aggregation[formula]: must be one of count, last, or sum', {
      param: 'default_aggregation[formula]',
    });
  }
  const windowText = textAt(params, 'event_time_window');
  const eventTimeWindow = windows.find((known) => known === windowText);
  if (windowText !== undefined && eventTimeWindow === undefined) {
    return invalid('Invalid event_time_window: must be one of day or hour', { param: 'event_time_window' });
  }
  const mapping = textAt(params, 'customer_mapping', 'type') ?? 'by_id';
  if (mapping !== 'by_id')
    return invalid('Invalid customer_mapping[type]: must be by_id', { param: 'customer_mapping[type]' });
  return {
    displayName,
    eventName,
    formula,
    customerKey: textAt(params, 'customer_mapping', 'event_payload_key') ?? 'stripe_customer_id',
    valueKey: textAt(params, 'value_settings', 'event_payload_key') ?? 'value',
    eventTimeWindow,
  };
}

export const meterShape = `EVENT_NAME:FORMULA, separated by commas; FORMULA is one of ${formulas.join(', ')}`;

/** Reads `api_calls:sum,seats:last`. */
export function parseMeters(text: string): readonly MeterDefinition[] | undefined {
  const meters = text.split(',').map((part) => {
    const [eventName = '', name, ...rest] = part.trim().split(':');
    const formula = formulas.find((known) => known === name);
    if (formula === undefined || eventName === '' || eventName.length > 100 || rest.length > 0) return undefined;
    return {
      displayName: eventName,
      eventName,
      formula,
      customerKey: 'stripe_customer_id',
      valueKey: 'value',
      eventTimeWindow: undefined,
    };
  });
  const known = meters.filter((meter) => meter !== undefined);
  return known.length === meters.length && new Set(known.map(({ eventName }) => eventName)).size === known.length
    ? known
    : undefined;
}

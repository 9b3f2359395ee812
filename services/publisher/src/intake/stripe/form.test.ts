import { describe, expect, it } from 'vitest';
import { parseForm } from './form.ts';
import { StripeRefusal } from './refusal.ts';

const codeOf = (text: string): string | undefined => {
  try {
    parseForm(text);
  } catch (error) {
    if (error instanceof StripeRefusal) return error.code;
    throw error;
  }
  return 'taken';
};

describe('parseForm', () => {
  it('reads a meter event as the packages write it', () => {
    const text =
      'event_name=api&identifier=a%20b+c&payload[stripe_customer_id]=cus_1&payload%5Bvalue%5D=1.5&payload[%C3%BC]=%26%3D&expand[0]=x';
    const { fields, payload } = parseForm(text);
    expect({ ...fields }).toEqual({ event_name: 'api', identifier: 'a b c' });
    expect({ ...payload }).toEqual({ stripe_customer_id: 'cus_1', value: '1.5', ü: '&=' });
  });

  it('takes a parameter without a value, and empty places between parameters', () => {
    expect({ ...parseForm('&&event_name&timestamp=&').fields }).toEqual({ event_name: '', timestamp: '' });
    expect(parseForm('').payload).toBeUndefined();
  });

  it('takes names of the language for names', () => {
    const { fields, payload } = parseForm('__proto__=a&constructor=b&payload[__proto__]=c&payload[toString]=d');
    expect(Object.entries(fields)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
    expect(Object.entries(payload ?? {})).toEqual([
      ['__proto__', 'c'],
      ['toString', 'd'],
    ]);
  });

  it.each([
    ['parameter_invalid_string', 'event_name=a&event_name=b'],
    ['parameter_invalid_string', 'payload[a]=1&payload%5Ba%5D=2'],
    ['parameter_invalid_string', 'event_name=%ff'],
    ['parameter_invalid_string', 'event_name=%u0041'],
    ['parameter_invalid_string', '%=a'],
    ['parameter_invalid_map', 'payload[]=a'],
    ['parameter_invalid_map', 'payload[a'],
    ['parameter_invalid_map', 'payload[a][b]=c'],
    ['parameter_invalid_map', 'payload[a]b=c'],
    ['parameter_unknown', Array.from({ length: 101 }, (_, index) => `p${index}=1`).join('&')],
  ])('refuses as %s: %s', (code, text) => {
    expect(codeOf(text)).toBe(code);
  });
});

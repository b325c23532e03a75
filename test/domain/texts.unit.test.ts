import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { checkOf } from '../../domain/texts.ts';

const part = z.object({ id: z.string(), price: z.string().optional() });
const schema = z.object({ id: z.string(), note: z.string().optional(), part: part.optional(), parts: z.array(part).optional(), names: z.array(z.string()) });

describe('a check made of a schema', () => {
  test('accepts what the schema accepts, and nothing else', () => {
    const anything = fc.oneof({ weight: 4, arbitrary: fc.string() }, fc.constant(undefined), fc.constant(null), fc.integer(), fc.constant([]), fc.constant({}));
    const parts = fc.oneof({ weight: 4, arbitrary: fc.record({ id: anything, price: anything, more: fc.integer() }, { requiredKeys: [] }) }, anything);
    const value = fc.oneof({ weight: 9, arbitrary: fc.record({
      id: anything, note: anything, part: parts, parts: fc.oneof(fc.array(parts), anything), names: fc.oneof({ weight: 3, arbitrary: fc.array(anything, { maxLength: 2 }) }, anything), more: fc.integer(),
    }, { requiredKeys: [] }) }, anything);
    const check = checkOf(schema);
    let accepted = 0;
    fc.assert(fc.property(value, (candidate) => {
      const verdict = schema.safeParse(candidate).success;
      accepted += verdict ? 1 : 0;
      expect(check(candidate)).toBe(verdict);
    }), { numRuns: 3_000, seed: 4 });
    expect(accepted).toBeGreaterThan(20);
  });

  test('lets members through that a loose schema lets through', () => {
    const loose = z.looseObject({ id: z.string() });
    for (const value of [{ id: 'a', more: 1 }, { more: 1 }, [], null]) expect(checkOf(loose)(value)).toBe(loose.safeParse(value).success);
  });

  test.each([
    ['a text of a form', z.string().min(1)],
    ['a text of a form within', z.object({ id: z.string().regex(/a/) })],
    ['a number', z.number()],
    ['a strict object', z.strictObject({ id: z.string() })],
    ['a list of a length', z.array(z.string()).max(2)],
  ])('is not made of %s, which it would not see', (_what, other) => {
    expect(() => checkOf(other)).toThrow(TypeError);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseStrictJson, StrictJsonError } from '../../../adapters/oanda/json.ts';

describe('JSON from the wire', () => {
  test('any ordinary value reads as it was written', () => {
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      fc.pre(!/"(?:__proto__|constructor|prototype)"/.test(text));
      expect(parseStrictJson(text, 'any')).toEqual(JSON.parse(text));
    }), { numRuns: 300 });
  });

  test.each([
    ['a key that is there twice', '{"units":"1","units":"66"}', /"units" at offset 13 is there twice/],
    ['a key that is there twice once unescaped', '{"units":"1","\\u0075nits":"66"}', /there twice/],
    ['a __proto__ key', '{"a":{"__proto__":{}}}', /__proto__/],
    ['an escaped __proto__ key', '{"\\u005f_proto__":{}}', /__proto__/],
    ['a constructor key', '[{"constructor":1}]', /constructor/],
    ['deep nesting', '['.repeat(33) + ']'.repeat(33), /nested deeper than 32/],
    ['half a text', '{"a":', /no JSON/],
    ['NaN', '{"a":NaN}', /no JSON/],
  ])('%s is refused', (_what, text, message) => {
    expect(() => parseStrictJson(text, 'any')).toThrow(StrictJsonError);
    expect(() => parseStrictJson(text, 'any')).toThrow(message);
  });

  test('the same key may stand in two objects, and as a value', () => {
    expect(parseStrictJson('[{"a":"a"},{"a":{"a":"__proto__"}}]', 'any')).toEqual([{ a: 'a' }, { a: { a: '__proto__' } }]);
  });

  test('quotes, brackets and colons within strings are text', () => {
    const value = { 'a\\"{[:': '\\\\":{"b":1.5', c: '\\' };
    expect(parseStrictJson(JSON.stringify(value), 'exact')).toEqual(value);
  });

  test('32 levels are accepted', () => {
    expect(() => parseStrictJson('['.repeat(32) + ']'.repeat(32), 'any')).not.toThrow();
  });

  test.each(['1.5', '1e3', '1.0', '9007199254740993', '-9007199254740992', '12345678901234567890', '1E400'])('the number %s stays the text that it was sent as where bodies are recorded', (number) => {
    expect(parseStrictJson(`{"a":[${number}]}`, 'exact')).toEqual({ a: [number] });
    expect(parseStrictJson(`{"a":[${number}]}`, 'any')).toEqual({ a: [Number(number)] });
  });

  test('safe integers are accepted', () => {
    expect(parseStrictJson('[0,-1,9007199254740991,-9007199254740991]', 'exact')).toEqual([0, -1, 9007199254740991, -9007199254740991]);
  });
});

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
    ['a key that is there twice deep within', '[{"a":[{"b":{"c":1,"d":2,"c":{"e":1}}}]}]', /"c" at offset/],
    ['a key that is there twice with blanks', '{"a" : 1 , "a"\n:2}', /there twice/],
    ['an object that is there twice', '{"a":{"x":1,"y":2},"a":{"x":1}}', /"a" at offset/],
    ['a prototype key among numbers', '{"1":1,"prototype":2}', /prototype/],
    ['deep nesting of objects', '{"a":'.repeat(33) + '1' + '}'.repeat(33), /nested deeper than 32/],
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

  test('a number is kept or read by its own spelling, wherever it stands', () => {
    const number = fc.oneof(fc.integer().map(String), fc.maxSafeInteger().map(String), fc.double({ noNaN: true, noDefaultInfinity: true }).map(String), fc.constantFrom('-0', '0', '123456789012345', '-12345678901234', '1234567890123456', '9007199254740993', '1E5', '1e-2', '10.0'))
      .map((text) => text.replace(/^(-?)\./, '$10.'));
    fc.assert(fc.property(fc.array(number, { minLength: 1, maxLength: 5 }), (spelt) => {
      const kept = spelt.map((text) => (/^-?\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : text));
      expect(parseStrictJson(`{"a":[${spelt.join(' , ')}],"b":${spelt[0]!}}`, 'exact')).toEqual({ a: kept, b: kept[0] });
    }), { seed: 6 });
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

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  absolute, add, DecimalError, format, formatFixed, maximum, midPrice, money, negate, pips, pipsToPrice, price, pointsToPrice, priceTimesUnits, priceToPips, ratio, ratioOf, roundPrice,
  scaleBy, subtract, toNumber, units, ZERO_MONEY,
} from '../../domain/money.ts';
import type { Money, Price, Ratio } from '../../domain/money.ts';
import { floorMinute, formatInstant, instantOf, MINUTE_MS, parseInstant, plusMs, TimeError } from '../../domain/time.ts';

const SCALE = 10n ** 10n;
const scaled = fc.bigInt({ min: -(10n ** 22n), max: 10n ** 22n });

describe('a decimal', () => {
  test('is read exactly and printed as short as it can be', () => {
    expect(price('1.38676') as bigint).toBe(13_867_600_000n);
    expect(money('-12.50') as bigint).toBe(-125_000_000_000n);
    expect(['0', '-0', '0.0000000001', '-0.10', '100', '0012.5', '99999999999999999999'].map((text) => format(money(text))))
      .toEqual(['0', '0', '0.0000000001', '-0.1', '100', '12.5', '99999999999999999999']);
  });

  test.each(['', ' 1', '1 ', '+1', '.5', '5.', '1e3', '1,5', 'NaN', 'Infinity', '0x10', '--1', '1.2.3', '１', '123456789012345678901', '1\n'])('is not %j', (text) => {
    expect(() => money(text, 'order.units')).toThrow(DecimalError);
    expect(() => money(text, 'order.units')).toThrow(/^order\.units: /);
  });

  test('with more than ten decimals is refused where it is an amount, and rounded half away from zero where it is a factor', () => {
    expect(() => price('1.00000000001', 'ask')).toThrow('ask: "1.00000000001" has more than 10 decimals');
    expect(format(price('1.10000000000000'))).toBe('1.1');
    expect(['0.00000000005', '0.00000000004999', '-0.00000000005', '0.99999999995'].map((text) => format(ratio(text)))).toEqual(['0.0000000001', '0', '-0.0000000001', '1']);
  });

  test('reads back to itself, whatever it is', () => {
    fc.assert(fc.property(scaled, (value) => {
      expect(money(format(value as Money))).toBe(value);
    }), { seed: 1 });
  });

  test('of few digits, as most are, is read and printed like any other', () => {
    const digits = fc.string({ unit: fc.constantFrom('0', '1', '2', '3', '4', '5', '6', '7', '8', '9'), minLength: 1, maxLength: 10 });
    fc.assert(fc.property(fc.oneof(fc.integer({ min: 0, max: 1_000_000 }), fc.integer({ min: 0, max: 99_999_999_999 })), digits, fc.boolean(), (whole, fraction, negative) => {
      const text = `${negative ? '-' : ''}${whole}.${fraction}`;
      const expected = (negative ? -1n : 1n) * (BigInt(whole) * SCALE + BigInt(fraction.padEnd(10, '0')));
      expect(money(text)).toBe(expected);
      const kept = fraction.replace(/0+$/, '');
      expect(format(expected as Money)).toBe(`${negative && expected !== 0n ? '-' : ''}${whole}${kept === '' ? '' : `.${kept}`}`);
    }), { seed: 2 });
  });

  test('is printed and counted alike, whatever shared its place before', () => {
    const near = fc.integer({ min: -3_000, max: 3_000 }).chain((offset) => fc.constantFrom(0, 110_000, 15_012_345, 4_000_000_000).map((base) => base + offset));
    fc.assert(fc.property(fc.array(fc.tuple(near, fc.integer({ min: 0, max: 10 })), { maxLength: 40 }), (prices) => {
      for (const [points, precision] of [...prices, ...prices.toReversed()]) {
        const value = pointsToPrice(points, precision);
        expect(value as bigint).toBe(BigInt(points) * 10n ** BigInt(10 - precision));
        const digits = Math.abs(points).toString().padStart(precision + 1, '0');
        const [whole, fraction] = [digits.slice(0, digits.length - precision), digits.slice(digits.length - precision).replace(/0+$/, '')];
        expect(format(value)).toBe(`${points < 0 ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`);
      }
    }), { seed: 12 });
  });

  test('may be counted in points of any size and precision', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 2_147_483_647 }), fc.integer({ min: 0, max: 10 }), (points, precision) => {
      expect(pointsToPrice(points, precision)).toBe(BigInt(points) * 10n ** BigInt(10 - precision));
    }), { seed: 3 });
  });
});

describe('arithmetic', () => {
  test('adds what floats cannot', () => {
    expect(add(money('0.1'), money('0.2'))).toBe(money('0.3'));
    expect(format(subtract(price('1.1'), price('1.09999')))).toBe('0.00001');
    expect(format(negate(money('-3')))).toBe('3');
    expect([absolute(money('-3')), maximum(money('-3'), money('2'))].map(format)).toEqual(['3', '2']);
  });

  test('rounds half away from zero, so that gains and losses round alike', () => {
    fc.assert(fc.property(scaled, scaled, (left, right) => {
      const product = scaleBy(left as Money, right as Ratio);
      expect(scaleBy(negate(left as Money), right as Ratio)).toBe(negate(product));
      const error = left * right - product * SCALE;
      expect(2n * (error < 0n ? -error : error) <= SCALE).toBe(true);
    }), { seed: 2 });
    expect(scaleBy(1n as Money, ratio('0.5'))).toBe(1n);
    expect(scaleBy(-1n as Money, ratio('0.5'))).toBe(-1n);
  });

  test('prices units to the last decimal, whichever the sign', () => {
    expect(format(priceTimesUnits(subtract(price('1.08426'), price('1.0851')), units('25000')))).toBe('-21');
    expect(format(priceTimesUnits(subtract(price('195.112'), price('195.500')), units('-10000')))).toBe('3880');
    expect(format(scaleBy(priceTimesUnits(price('0.01'), units('1')), ratio('0.006791171477079796')))).toBe('0.0000679117');
  });

  test('gives shares, and refuses a share of nothing', () => {
    expect(format(ratioOf(money('1'), money('3')))).toBe('0.3333333333');
    expect(format(ratioOf(money('-2'), money('3')))).toBe('-0.6666666667');
    expect(() => ratioOf(money('1'), ZERO_MONEY)).toThrow(DecimalError);
  });

  test('by a factor or a share of one leaves a value as it is', () => {
    fc.assert(fc.property(scaled, (value) => {
      expect(scaleBy(value as Money, ratio('1')) as bigint).toBe(value);
      if (value !== 0n) expect(ratioOf(value as Money, value as Money)).toBe(ratio('1'));
    }), { seed: 9 });
  });

  test('finds the middle of any two prices that a broker prints', () => {
    expect(format(midPrice(price('1.10001'), price('1.10002')))).toBe('1.100015');
  });
});

describe('pips', () => {
  test.each([['0.0001', -4, '1'], ['-0.00025', -4, '-2.5'], ['0.01', -2, '1'], ['0.388', -2, '38.8'], ['3', 0, '3'], ['30', 1, '3']] as const)('of a distance of %s with the pip at 10^%i are %s', (distance, pipLocation, count) => {
    expect(format(priceToPips(price(distance), pipLocation))).toBe(count);
    expect(format(pipsToPrice(pips(count), pipLocation))).toBe(distance);
  });
});

describe('printing with a fixed number of decimals', () => {
  test.each([['1.100005', 5, '1.10001'], ['-1.100005', 5, '-1.10001'], ['1.1', 5, '1.10000'], ['0.5', 0, '1'], ['147.2444', 3, '147.244'], ['9.99', 1, '10.0'], ['0.00000000005', 10, '']] as const)('writes %s with %i as %s', (value, decimals, expected) => {
    if (expected === '') expect(() => price(value)).toThrow(DecimalError);
    else expect(formatFixed(price(value), decimals)).toBe(expected);
  });

  test('rounds a price to what the instrument shows, and refuses what cannot be a number of decimals', () => {
    expect(format(roundPrice(price('1.0123456'), 5))).toBe('1.01235');
    for (const decimals of [-1, 11, 1.5, Number.NaN]) expect(() => formatFixed(price('1'), decimals)).toThrow(DecimalError);
  });

  test('agrees with rounding the price, for any value', () => {
    fc.assert(fc.property(scaled, fc.integer({ min: 0, max: 10 }), (value, decimals) => {
      expect(price(formatFixed(value as Price, decimals))).toBe(roundPrice(value as Price, decimals));
    }), { seed: 3 });
  });

  test('gives features the nearest float', () => {
    expect(toNumber(price('1.38676'))).toBe(1.38676);
  });
});

describe('an instant', () => {
  test('is read from the broker’s nanoseconds, cut and never rounded into the future', () => {
    expect(parseInstant('2026-09-23T21:14:07.570999999Z')).toBe(Date.UTC(2026, 8, 23, 21, 14, 7, 570));
    expect(parseInstant('2026-09-23T21:14:07.5Z')).toBe(Date.UTC(2026, 8, 23, 21, 14, 7, 500));
    expect(formatInstant(parseInstant('2026-09-23T21:14:07Z'))).toBe('2026-09-23T21:14:07.000000000Z');
  });

  test.each(['', '2026-09-23', '2026-09-23T21:14:07', '2026-09-23T21:14:07+00:00', '2026-02-30T00:00:00Z', '2026-13-01T00:00:00Z', '2026-09-23T24:00:00Z', '2026-09-23T21:14:60Z', '2026-09-23T21:14:07.1234567890Z', '1790198047.5'])('is not %j', (text) => {
    expect(() => parseInstant(text, 'transaction 7 time')).toThrow(TimeError);
    expect(() => parseInstant(text, 'transaction 7 time')).toThrow(/^transaction 7 time: /);
  });

  test('is a whole number of milliseconds, or none', () => {
    for (const value of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) expect(() => instantOf(value)).toThrow(TimeError);
    expect(() => plusMs(instantOf(0), 0.1)).toThrow(TimeError);
  });

  test('reads back from its text, and lies in its minute, before 1970 too', () => {
    fc.assert(fc.property(fc.integer({ min: -2_000_000_000_000, max: 4_000_000_000_000 }), (epochMs) => {
      const at = instantOf(epochMs);
      expect(parseInstant(formatInstant(at))).toBe(at);
      const minute = floorMinute(at);
      expect(Math.abs(minute % MINUTE_MS)).toBe(0);
      expect(at - minute).toBeGreaterThanOrEqual(0);
      expect(at - minute).toBeLessThan(MINUTE_MS);
    }), { seed: 4 });
  });

  test('is printed alike however often and in whatever order it is asked for', () => {
    const near = fc.integer({ min: 0, max: 40 * 60_000 }).map((offset) => instantOf(Date.UTC(2026, 0, 5, 23, 40) + offset));
    fc.assert(fc.property(fc.array(near, { maxLength: 60 }), (instants) => {
      for (const at of [...instants, ...instants.toReversed()]) expect(formatInstant(at)).toBe(`${new Date(at).toISOString().slice(0, -1)}000000Z`);
    }), { seed: 6 });
  });

  test('is printed and read alike whichever day was spoken of before', () => {
    const time = fc.integer({ min: -100_000_000_000, max: 4_000_000_000_000 });
    fc.assert(fc.property(fc.array(time, { maxLength: 6 }), fc.integer({ min: 0, max: 86_399 }), (times, second) => {
      for (const epochMs of times.flatMap((each) => [each, Math.floor(each / 86_400_000) * 86_400_000 + second * 1_000, each])) {
        const text = new Date(epochMs).toISOString().replace('Z', '000000Z');
        expect(formatInstant(instantOf(epochMs))).toBe(text);
        expect(parseInstant(text)).toBe(epochMs);
        expect(() => parseInstant(text.replace('T', 'T3'))).toThrow(TimeError);
      }
    }), { seed: 5 });
  });

  test.each(['2026-09-23T24:00:00.000000000Z', '2026-09-23T23:60:00.000000000Z', '2026-09-23T23:00:60.000000000Z', '2026-09-23T23-00:00.000000000Z', '2026-09-23T2/:00:00.000000000Z'])('of a day just spoken of is not %j', (text) => {
    formatInstant(parseInstant('2026-09-23T21:14:07Z'));
    expect(() => parseInstant(text)).toThrow(TimeError);
  });
});

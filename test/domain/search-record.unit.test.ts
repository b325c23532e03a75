import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DataOf } from '../../domain/events.ts';
import { EventFormatError, parseEvent } from '../../domain/events.ts';
import { GENESIS_HASH } from '../../domain/log.ts';
import type { SearchRecord } from '../../domain/policy.ts';
import { searchData, searchRecordOf } from '../../domain/search-record.ts';

const RECORD: SearchRecord = {
  settings: { kind: 'stochastic', chanceCodes: 8, simulations: 15, discount: 0.997, minConfidence: 0.35, temperature: 0, selection: { algorithm: 'puct', pbCInit: 1.25, pbCBase: 19_652 } },
  priors: [0.1, 0.2, 0.3, 0.4], visits: [1, 2, 4, 8], q: [0.5, -1e-9, 1e21, 0], rawRootValue: 0.1, searchRootValue: -0.30000000000000004,
  improvedPolicy: null, noise: null, headsBase64: 'AAAA',
};
const decision = (search: unknown, more: object = {}): unknown => ({
  decisionId: '7d444840-9dc0-51d1-b245-5ffdce74fad1', instrument: 'EUR_USD', barStart: '2026-01-05T12:00:00Z', mode: 'ARMED', policy: 'muzero', featureSetId: 'swt-137', modelLabel: 'm',
  inputHash: GENESIS_HASH, mask: [true, true, true, false], action: 'HOLD', rule: 'argmax', lastTransactionId: '6',
  position: { side: 0, netPips: '0', barsSinceEntry: 0, peakPips: '0', drawdownPipsMax: '0', shadow: false }, search, draw: null, ...more,
});
const read = (version: number, data: unknown): DataOf<'DecisionMade'> => parseEvent('DecisionMade', version, data, 'trading-x@3').data as DataOf<'DecisionMade'>;

describe('the record of a search', () => {
  test('comes back from the log bit for bit, whatever its numbers', () => {
    const float = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value));
    const four = fc.array(float, { minLength: 4, maxLength: 4 });
    fc.assert(fc.property(four, four, four, fc.option(four), fc.option(four), float, (priors, q, [a, b, c, d], improvedPolicy, noise, value) => {
      const record: SearchRecord = {
        ...RECORD, priors, q, improvedPolicy, noise, rawRootValue: value,
        settings: { ...RECORD.settings, selection: { algorithm: 'gumbel', consideredActionsMax: 16, maxVisitInit: a!, valueScale: b!, scale: c! }, temperature: d! },
      };
      const stored: unknown = JSON.parse(JSON.stringify(decision(searchData(record), { modelHash: GENESIS_HASH })));
      expect(searchRecordOf(read(2, stored).search!)).toEqual(record);
    }));
    expect(searchRecordOf(read(2, decision(searchData(RECORD), { modelHash: GENESIS_HASH })).search!)).toEqual(RECORD);
  });

  test('of version 1 reads with what it did not say left unknown', () => {
    const { settings: _settings, improvedPolicy: _policy, noise: _noise, ...old } = searchData(RECORD);
    const lifted = read(1, decision(old));
    expect(lifted).toMatchObject({ modelHash: null, search: { ...old, settings: null, improvedPolicy: null, noise: null } });
    expect(searchRecordOf(lifted.search!)).toBeNull();
    expect(read(1, decision(null))).toMatchObject({ modelHash: null, search: null });
  });

  test('of version 1 is still refused where it is malformed, with the place', () => {
    expect(() => read(1, decision({ simulations: 15 }))).toThrow(/trading-x@3: DecisionMade is malformed: .*discount/);
    expect(() => read(1, decision('none'))).toThrow(/trading-x@3: DecisionMade is malformed/);
    expect(() => read(1, decision(null, { modelHash: GENESIS_HASH, more: 1 }))).toThrow(EventFormatError);
    expect(() => read(2, decision(null))).toThrow(/modelHash/);
  });
});

import * as fc from 'fast-check';
import { v5 as uuidv5 } from 'uuid';
import { describe, expect, test } from 'vitest';
import type { Json } from '../../domain/canonical.ts';
import { CanonicalError, canonicalJson } from '../../domain/canonical.ts';
import type { DomainEvent } from '../../domain/events.ts';
import { CATALOGUE, EventFormatError, parseEvent } from '../../domain/events.ts';
import { clientOrderIdOf, decisionIdOf, derivedId, epochOfTag, epochTag, factId, flattenOrderIdOf, slotIdOf, stopOrderIdOf, streamOf } from '../../domain/ids.ts';
import { InstrumentError, instrumentData, instrumentName, instrumentOf, usualInstrument } from '../../domain/instruments.ts';
import { ratio, units } from '../../domain/money.ts';
import { GENESIS_HASH, metadataJson } from '../../domain/log.ts';
import type { Metadata } from '../../domain/log.ts';
import { parseInstant, plusMs } from '../../domain/time.ts';
import { ACCOUNT, EUR_USD } from './scripted-broker.ts';

/** The canonical text by its definition alone. */
function writtenOut(value: Json): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => writtenOut(item)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, item]) => item !== undefined).sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${writtenOut(item as Json)}`).join(',')}}`;
}

describe('canonical JSON', () => {
  test('sorts keys, leaves out what is undefined, and has no blanks', () => {
    expect(canonicalJson({ b: [1, 'x', null], a: { z: true, y: undefined }, 'ä': -0 })).toBe('{"a":{"z":true},"b":[1,"x",null],"ä":0}');
  });

  test('is one text for one value, whatever the order it was built in', () => {
    const json: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
      value: fc.oneof({ depthSize: 'small' }, fc.string(), fc.maxSafeInteger(), fc.boolean(), fc.constant(null), fc.array(tie('value')), fc.dictionary(fc.string(), tie('value'))),
    })).value;
    const reversed = (value: Json): Json => {
      if (Array.isArray(value)) return value.map((item: Json) => reversed(item));
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(Object.entries(value).reverse().map(([key, item]) => [key, reversed(item as Json)]));
    };
    fc.assert(fc.property(json, (value) => {
      const text = canonicalJson(value);
      expect(text).toBe(writtenOut(value));
      expect(canonicalJson(reversed(value))).toBe(text);
      expect(canonicalJson(JSON.parse(text) as Json)).toBe(text);
    }), { seed: 8 });
  });

  test('sorts by UTF-16 units whatever kinds of objects came before, with many keys and without some', () => {
    const naive = (value: Json): string => (typeof value === 'object' && value !== null
      ? `{${Object.entries(value as { readonly [key: string]: Json | undefined }).filter(([, item]) => item !== undefined).sort(([left], [right]) => (left < right ? -1 : 1)).map(([key, item]) => `${JSON.stringify(key)}:${naive(item!)}`).join(',')}}`
      : JSON.stringify(value));
    const key = fc.oneof(fc.constantFrom('a', 'b', 'B', '10', '9', 'ä', '\u{1F600}', '\uFFFD', '"', '__proto'), fc.string({ maxLength: 2 }));
    const object = fc.oneof({ weight: 9, arbitrary: fc.uniqueArray(key, { maxLength: 6 }) }, fc.uniqueArray(fc.string({ minLength: 2, maxLength: 3 }), { minLength: 60, maxLength: 70 }))
      .map((keys): Json => Object.fromEntries(keys.map((each, index) => [each, index % 5 === 4 ? undefined : { [each]: index }])));
    fc.assert(fc.property(object, (value) => {
      expect(canonicalJson(value)).toBe(naive(value));
    }), { numRuns: 2_000, seed: 12 });
  });

  test.each([0.1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('refuses %d: decimals are strings', (value) => {
    expect(() => canonicalJson({ value })).toThrow(CanonicalError);
  });

  test('refuses to nest deeper than 32', () => {
    const nested = (depth: number): Json => (depth === 0 ? 1 : [nested(depth - 1)]);
    expect(canonicalJson(nested(32))).toHaveLength(65);
    expect(() => canonicalJson(nested(33))).toThrow(CanonicalError);
  });
});

describe('metadata', () => {
  const metadata: Metadata = {
    sequence: 7, correlationId: 'transaction "7"', causationId: null, occurredAt: '2026-01-06T15:00:00.000000000Z', recordedAt: '2026-01-06T15:00:01.000000000Z', monotonicNs: '5', clockOffsetMs: -3, actor: 'broker',
    runId: 'é', epoch: 1, build: '', configHash: GENESIS_HASH, modelHash: GENESIS_HASH,
  };

  test('are stored as canonical JSON', () => {
    for (const each of [metadata, { ...metadata, causationId: 'a', clockOffsetMs: -0 }]) expect(metadataJson(each, 'f0')).toBe(canonicalJson({ ...each, prevHash: 'f0' }));
  });

  test('with a float are refused', () => {
    expect(() => metadataJson({ ...metadata, clockOffsetMs: 0.5 }, 'f0')).toThrow(CanonicalError);
  });
});

describe('computed names', () => {
  const bar = parseInstant('2026-01-06T15:00:00Z');
  const decision = decisionIdOf(ACCOUNT, EUR_USD, bar);

  test('are a storage format: these must never change', () => {
    expect([decision, clientOrderIdOf(decision, 'open'), clientOrderIdOf(decision, 'close'), flattenOrderIdOf(ACCOUNT, '4', bar), stopOrderIdOf(ACCOUNT, '4')]).toMatchInlineSnapshot(`
      [
        "3a176d65-4b64-5483-8bdd-ed216aa8849e",
        "ff9b504c-c7a1-5901-aaae-f529461832f0",
        "312b8915-479c-55e8-b213-46c2c0f14c93",
        "070f372d-6cac-5479-b1a6-82725c7ff1dd",
        "09476a8a-b58e-54dc-b060-ca6888b01c98",
      ]
    `);
    expect([slotIdOf(ACCOUNT, EUR_USD), epochTag(7)]).toEqual(['reckoner:101-001-1-001:EUR_USD:slot0', 'reckoner:epoch:7']);
  });

  test('are those that the standard’s library gives, for texts of any length and script, asked again in any order', () => {
    const root = uuidv5('reckoner.v1', uuidv5.DNS);
    fc.assert(fc.property(fc.array(fc.array(fc.string({ unit: 'binary', maxLength: 30 }), { minLength: 1, maxLength: 4 }), { maxLength: 12 }), (names) => {
      for (const parts of [...names, ...names.toReversed(), ['ä'.repeat(600)], ['x'.repeat(3_000)]]) expect(derivedId(...parts)).toBe(uuidv5(parts.join('|'), root));
    }), { seed: 4 });
  });

  test('of facts are those of their type and key, whatever was named before', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom('bar', 'DecisionMade'), fc.constantFrom('a', 'b', 'c'))), (facts) => {
      for (const [type, key] of facts) expect(factId(type, key)).toBe(derivedId('event', type, key));
    }), { seed: 11 });
  });

  test('are the same for the same thing and different for another', () => {
    expect(decisionIdOf(ACCOUNT, EUR_USD, bar)).toBe(decision);
    const others = [decisionIdOf('101-001-1-002', EUR_USD, bar), decisionIdOf(ACCOUNT, instrumentName('GBP_USD'), bar), decisionIdOf(ACCOUNT, EUR_USD, plusMs(bar, 60_000)), clientOrderIdOf(decision, 'open'), clientOrderIdOf(decision, 'close'), decision];
    expect(new Set(others).size).toBe(6);
  });

  test('read an epoch out of our own tags and nobody else’s', () => {
    expect(['reckoner:epoch:0', 'reckoner:epoch:12', 'reckoner:epoch:', 'reckoner:epoch:-1', 'xreckoner:epoch:1', 'reckoner:epoch:1x', 'reckoner:epoch:1234567890', ''].map(epochOfTag))
      .toEqual([0, 12, null, null, null, null, null, null]);
  });

  test('find the stream of an event, and refuse one that needs an instrument and has none', () => {
    const halted: DomainEvent = { type: 'TradingHalted', data: { cause: 'x', detail: '', disposition: 'hold', actor: 'daemon' } };
    const connected: DomainEvent = { type: 'FeedConnected', data: { feed: 'pricing' } };
    const submitted: DomainEvent = { type: 'OrderSubmitted', data: { clientOrderId: derivedId('x'), status: 201, requestId: null } };
    const gap: DomainEvent = { type: 'MarketGapDetected', data: { instrument: 'EUR_USD', from: '2026-01-06T15:00:00Z', until: '2026-01-06T15:01:00Z', openMinutes: 1, cause: 'noTicks' } };
    expect([halted, connected].map((event) => streamOf(event, ACCOUNT, 'demo', null))).toEqual(['safety-101-001-1-001', 'daemon-demo']);
    expect([submitted, gap].map((event) => streamOf(event, ACCOUNT, 'demo', EUR_USD))).toEqual(['trading-101-001-1-001.EUR_USD', 'bars-oanda.EUR_USD.M1']);
    expect(() => streamOf(submitted, ACCOUNT, 'demo', null)).toThrow('OrderSubmitted needs an instrument');
  });
});

describe('instruments', () => {
  test('have the usual shape, and another for yen', () => {
    expect(usualInstrument('EUR_USD')).toMatchObject({ base: 'EUR', quote: 'USD', pipLocation: -4, displayPrecision: 5 });
    expect(usualInstrument('GBP_JPY')).toMatchObject({ base: 'GBP', quote: 'JPY', pipLocation: -2, displayPrecision: 3 });
  });

  test('come back from the log as the broker described them', () => {
    const odd = { ...usualInstrument('USD_THB'), pipLocation: -2, displayPrecision: 3, marginRate: ratio('0.05'), minimumTradeSize: units('0.1') };
    expect(instrumentData(odd)).toEqual({ name: 'USD_THB', pipLocation: -2, displayPrecision: 3, tradeUnitsPrecision: 0, minimumTradeSize: '0.1', marginRate: '0.05' });
    expect(instrumentOf(instrumentData(odd))).toEqual(odd);
  });

  test.each(['', 'EURUSD', 'eur_usd', 'EUR/USD', 'EUR_USD '])('are not called %j', (text) => {
    expect(() => instrumentName(text)).toThrow(InstrumentError);
  });
});

describe('the catalogue of events', () => {
  test('is a storage format: these names and versions stay readable', () => {
    const kept: { readonly [category: string]: readonly string[] } = {
      bars: ['MarketBarBackfilled', 'MarketBarClosed', 'MarketGapDetected'],
      ledger: ['BrokerExchangeRecorded', 'BrokerTransactionRecorded', 'ForeignTradeObserved', 'LedgerBaselined', 'ReviewRequired'],
      trading: ['DecisionMade', 'DecisionSkipped', 'OrderAbandoned', 'OrderAccepted', 'OrderCancelled', 'OrderDenied', 'OrderFilled', 'OrderIntended', 'OrderOutcomeUnknown', 'OrderRejected', 'OrderSubmitted', 'PositionAdjusted', 'StopReplaced', 'StopReplacementFailed', 'StopReplacementIntended'],
      reconciliation: ['DiscrepancyDetected', 'ReconciliationCompleted'],
      safety: ['CommandRequestLapsed', 'CommandRequested', 'CommandSeconded', 'ControlAccess', 'EmergencyRecordImported', 'ForeignTradeAcknowledged', 'TransactionAcknowledged', 'TradingArmed', 'TradingDisarmed', 'TradingHalted', 'TradingObserving', 'TradingReducing', 'TradingResumed'],
      daemon: ['AlertRaised', 'DaemonStarted', 'DaemonStopped', 'EpochRaised', 'FeedConnected', 'FeedDisconnected', 'ModelLoaded', 'ModelRejected', 'ModelSwapped'],
    };
    const raised: { readonly [type: string]: number } = { DaemonStarted: 2, DecisionMade: 2, DecisionSkipped: 2, OrderIntended: 2, OrderDenied: 2, ReconciliationCompleted: 2, DiscrepancyDetected: 2 };
    const known = Object.entries(CATALOGUE).map(([type, { category, version }]) => `${category} ${type} ${version}`);
    expect(known).toEqual(expect.arrayContaining(Object.entries(kept).flatMap(([category, types]) => types.map((type) => `${category} ${type} ${raised[type] ?? 1}`))));
  });

  test('still reads what older builds wrote', () => {
    const skipped = { instrument: 'EUR_USD', barStart: '2026-01-06T15:00:00Z', detail: '3 of 4 closes' };
    for (const reason of ['windowIncomplete', 'zeroDeviation', 'nonFinite', 'modelFailed', 'illegalAction', 'late', 'halted', 'notReady']) {
      expect(parseEvent('DecisionSkipped', 1, { ...skipped, reason }, 'trading-x@7')).toEqual({ type: 'DecisionSkipped', data: { ...skipped, reason } });
    }
    expect(parseEvent('DecisionSkipped', 2, { ...skipped, reason: 'gap' }, 'trading-x@7')).toMatchObject({ data: { reason: 'gap' } });
    expect(() => parseEvent('DecisionSkipped', 2, { ...skipped, reason: 'tired' }, 'trading-x@7')).toThrow(/trading-x@7: DecisionSkipped is malformed: .*reason/);
  });

  test('lifts what earlier versions wrote, and changes nothing of it', () => {
    const id = derivedId('x');
    const completed = { reconciliationId: id, trigger: 'interval', startedAt: '2026-01-06T15:00:00Z', durationMs: 80, transactionId: '9', outcome: 'agreed', checks: ['balance'], discrepancies: 0, detail: null };
    expect(parseEvent('ReconciliationCompleted', 1, completed, 'reconciliation-x@0').data).toEqual({ ...completed, scope: 'full', done: [], unrealisedPl: null });
    const differed = { reconciliationId: id, kind: 'balance', subject: 'balance', local: '1', broker: '2', severity: 'critical' };
    expect(parseEvent('DiscrepancyDetected', 1, differed, 'reconciliation-x@1').data).toEqual({ ...differed, rule: 'halt', transactionIds: [] });
    const intended = {
      clientOrderId: id, decisionId: null, cause: 'weekend', leg: 'close', instrument: 'EUR_USD', units: '-1', tradeId: '4', referencePrice: null, priceBound: null, stopLossDistance: null, reverseTo: null,
      watermark: '9', quote: null, guards: [], method: 'PUT', path: '/x', requestBody: '{}', requestHash: '0'.repeat(64),
    };
    expect(parseEvent('OrderIntended', 1, intended, 'trading-x@0').data).toEqual(intended);
    const denied = { decisionId: null, clientOrderId: id, cause: 'policy', leg: 'open', instrument: 'EUR_USD', units: '1', guard: 'mode', guards: [] };
    expect(parseEvent('OrderDenied', 1, denied, 'trading-x@1').data).toEqual(denied);
    const started = {
      epoch: 3, previousRun: 'clean', downMs: 0, build: 'b', nodeVersion: 'v26', configHash: '0'.repeat(64), modelHash: '0'.repeat(64), modelLabel: 'hold', accountId: ACCOUNT, environment: 'practice',
    };
    expect(parseEvent('DaemonStarted', 1, started, 'daemon-x@0').data).toEqual({ ...started, instruments: null });
    expect(() => parseEvent('OrderDenied', 1, { ...denied, leg: 'sideways' }, 'trading-x@2')).toThrow(/trading-x@2: OrderDenied is malformed/);
    expect(() => parseEvent('DiscrepancyDetected', 1, null, 'reconciliation-x@2')).toThrow(EventFormatError);
  });

  test('reads the words of two operators, and no others', () => {
    const shown = { mode: 'HALTED', modeSince: '2026-01-06T15:00:00Z', causes: ['lossLimit'], position: [{ tradeId: '7', instrument: 'EUR_USD', units: '-100' }], worstLoss: '26', currency: 'USD', identity: 'b c m' };
    const requested = { verb: 'resume', operator: 'mara', reason: 'week 12', shown };
    const seconded = { verb: 'resume', operator: 'ben', reason: 'looked', requestedBy: 'mara', requestReason: 'week 12', requestedAt: '2026-01-06T15:00:00Z' };
    const lapsed = { verb: 'arm', operator: 'mara', cause: 'late', detail: 'stood until', by: 'ben' };
    for (const [type, data] of [['CommandRequested', requested], ['CommandSeconded', seconded], ['CommandRequestLapsed', lapsed]] as const) expect(parseEvent(type, 1, data, 'safety-x@4')).toEqual({ type, data });
    expect(() => parseEvent('CommandRequested', 1, { ...requested, verb: 'halt' }, 'safety-x@4')).toThrow(/CommandRequested is malformed/);
  });

  test('reads what it wrote and refuses the rest, with the place and the field', () => {
    expect(parseEvent('TradingObserving', 1, { cause: 'flat' }, 'safety-x@4')).toEqual({ type: 'TradingObserving', data: { cause: 'flat' } });
    expect(() => parseEvent('Unheard', 1, {}, 'safety-x@4')).toThrow('safety-x@4: this build does not know the event type "Unheard"');
    expect(() => parseEvent('toString', 1, {}, 'safety-x@4')).toThrow(EventFormatError);
    expect(() => parseEvent('TradingObserving', 2, { cause: 'flat' }, 'safety-x@4')).toThrow('schema version 2, this build reads 1');
    expect(() => parseEvent('TradingObserving', 1, { cause: 'flat', more: 1 }, 'safety-x@4')).toThrow(/safety-x@4: TradingObserving is malformed: .*more/);
    expect(() => parseEvent('OrderSubmitted', 1, { clientOrderId: 'x', status: 201, requestId: null }, 'trading-x@9')).toThrow(/clientOrderId/);
  });
});

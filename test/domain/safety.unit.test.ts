import { describe, expect, test } from 'vitest';
import type { SecondOperator, Shown } from '../../domain/consent.ts';
import type { DataOf, DomainEvent, Mode } from '../../domain/events.ts';
import { MODES } from '../../domain/events.ts';
import type { CommandFacts, CommandResult, OperatorCommand, RestartFacts, Safety } from '../../domain/safety.ts';
import { decideByPosition, decideCommand, decideRestart, evolveSafety, halt, initialSafety, ordersLastDay, ordersLastHour } from '../../domain/safety.ts';
import { HALT_CAUSES } from '../../domain/settings.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, parseInstant, plusMs } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';
import type { PlainVerb } from './desk-harness.ts';
import { LIMITS, SETTINGS } from './settings.ts';

const AT = parseInstant('2026-01-06T15:00:00Z');
const inMode = (mode: Mode): Safety => ({ ...initialSafety, mode, disposition: mode === 'HALTED' ? 'hold' : null });
const SHOWN: Shown = { mode: 'OBSERVING', modeSince: null, causes: [], position: [], worstLoss: '26', currency: 'USD', identity: 'build-1 c m' };
const READY: CommandFacts = { ready: true, notReadyReason: '', hasPosition: false, unacknowledged: new Set(), shown: SHOWN, now: AT };
const command = (verb: PlainVerb, change: { readonly operator?: string; readonly reason?: string } = {}): OperatorCommand => ({ verb, operator: 'mara', reason: 'a test', ...change });
const evolve = (safety: Safety, events: readonly DomainEvent[], at: Instant = AT): Safety => events.reduce((folded, event) => evolveSafety(folded, event, at, LIMITS), safety);
const filledWith = (slippageShare: string | null): DomainEvent => ({ type: 'OrderFilled', data: { slippageShare, pl: '0', financing: '0' } as DataOf<'OrderFilled'> });
const INTENDED: DomainEvent = { type: 'OrderIntended', data: {} as DataOf<'OrderIntended'> };

describe('an operator command', () => {
  /** For each verb and mode: what is accepted, and the mode that follows without and with a position. */
  const TABLE: readonly (readonly [PlainVerb, Mode, boolean, Mode, Mode])[] = [
    ['arm', 'OBSERVING', true, 'ARMED', 'ARMED'],
    ['arm', 'ARMED', true, 'ARMED', 'ARMED'],
    ['arm', 'REDUCING', true, 'ARMED', 'ARMED'],
    ['arm', 'HALTED', false, 'HALTED', 'HALTED'],
    ['disarm', 'OBSERVING', true, 'OBSERVING', 'REDUCING'],
    ['disarm', 'ARMED', true, 'OBSERVING', 'REDUCING'],
    ['disarm', 'REDUCING', true, 'OBSERVING', 'REDUCING'],
    ['disarm', 'HALTED', false, 'HALTED', 'HALTED'],
    ['halt', 'OBSERVING', true, 'HALTED', 'HALTED'],
    ['halt', 'ARMED', true, 'HALTED', 'HALTED'],
    ['halt', 'REDUCING', true, 'HALTED', 'HALTED'],
    ['halt', 'HALTED', true, 'HALTED', 'HALTED'],
    ['resume', 'OBSERVING', false, 'OBSERVING', 'OBSERVING'],
    ['resume', 'ARMED', false, 'ARMED', 'ARMED'],
    ['resume', 'REDUCING', false, 'REDUCING', 'REDUCING'],
    ['resume', 'HALTED', true, 'OBSERVING', 'REDUCING'],
    ['reconcile', 'OBSERVING', true, 'OBSERVING', 'OBSERVING'],
    ['reconcile', 'ARMED', true, 'ARMED', 'ARMED'],
    ['reconcile', 'REDUCING', true, 'REDUCING', 'REDUCING'],
    ['reconcile', 'HALTED', true, 'HALTED', 'HALTED'],
  ];

  test.each(TABLE)('%s in %s', (verb, mode, accepted, whenFlat, withPosition) => {
    for (const hasPosition of [false, true]) {
      const result = decideCommand(inMode(mode), command(verb), { ...READY, hasPosition }, SETTINGS);
      expect(result.accepted).toBe(accepted);
      expect(evolve(inMode(mode), result.events).mode).toBe(hasPosition ? withPosition : whenFlat);
      expect(result.events.at(-1)).toEqual({ type: 'ControlAccess', data: { operator: 'mara', verb, outcome: accepted ? 'accepted' : result.message } });
    }
  });

  test('covers every verb in every mode', () => {
    expect(new Set(TABLE.map(([verb, mode]) => `${verb} ${mode}`)).size).toBe(5 * MODES.length);
  });

  test('to acknowledge names one thing that waits, in any mode, and is refused for anything else', () => {
    const waiting = { ...READY, unacknowledged: new Set(['trade 7', 'transaction 9']) };
    const acknowledge = (subject: 'trade' | 'transaction', id: string) => decideCommand(inMode('HALTED'), { verb: 'acknowledge', operator: 'mara', reason: 'mine', subject, id }, waiting, SETTINGS);
    expect(acknowledge('trade', '7')).toMatchObject({ accepted: true, events: [{ type: 'ForeignTradeAcknowledged', data: { tradeId: '7', operator: 'mara', reason: 'mine' } }, { type: 'ControlAccess' }] });
    expect(acknowledge('transaction', '9').events[0]).toEqual({ type: 'TransactionAcknowledged', data: { transactionId: '9', operator: 'mara', reason: 'mine' } });
    expect(acknowledge('trade', '9')).toMatchObject({ accepted: false, message: 'trade 9 waits for no acknowledgement; what does: trade 7, transaction 9' });
  });

  test('to resume is refused while something waits to be acknowledged', () => {
    expect(decideCommand(inMode('HALTED'), command('resume'), { ...READY, unacknowledged: new Set(['transaction 9']) }, SETTINGS)).toMatchObject({ accepted: false, message: expect.stringContaining('(transaction 9)') as string });
  });

  test('to arm tells who, why and the worst loss; to arm again tells nothing but that it was asked', () => {
    expect(decideCommand(inMode('OBSERVING'), command('arm'), READY, SETTINGS).events[0]).toEqual({ type: 'TradingArmed', data: { operator: 'mara', reason: 'a test', worstLoss: '26', currency: 'USD' } });
    expect(decideCommand(inMode('ARMED'), command('arm'), READY, SETTINGS).events.map(({ type }) => type)).toEqual(['ControlAccess']);
  });

  test('to arm is refused while not ready and beside a foreign trade, with the remedy', () => {
    expect(decideCommand(inMode('OBSERVING'), command('arm'), { ...READY, ready: false, notReadyReason: 'importing the ledger' }, SETTINGS)).toMatchObject({ accepted: false, message: 'not ready: importing the ledger' });
    expect(decideCommand(inMode('OBSERVING'), command('arm'), { ...READY, unacknowledged: new Set(['trade 7']) }, SETTINGS)).toMatchObject({ accepted: false, message: expect.stringContaining('(trade 7)') as string });
  });

  test.each([
    ['no name', { operator: '' }], ['a blank name', { operator: ' ' }], ['a name with a line break', { operator: 'a\nb' }], ['an endless name', { operator: 'a'.repeat(65) }],
    ['no reason', { reason: '' }], ['a blank reason', { reason: '  ' }], ['an endless reason', { reason: 'x'.repeat(501) }],
  ])('with %s is refused, and leaves a trace', (_what, change) => {
    const { accepted, events } = decideCommand(inMode('OBSERVING'), command('arm', change), READY, SETTINGS);
    expect(accepted).toBe(false);
    expect(events.map(({ type }) => type)).toEqual(['ControlAccess']);
  });

  test('takes names of other scripts', () => {
    expect(decideCommand(inMode('OBSERVING'), command('arm', { operator: 'Zoë Müller-Østby' }), READY, SETTINGS).accepted).toBe(true);
  });
});

describe('a second operator', () => {
  const DEMANDED = (secondOperator: SecondOperator) => ({ ...SETTINGS, safety: { ...LIMITS, secondOperator } });
  const at = (minutes: number): Instant => plusMs(AT, minutes * MINUTE_MS);

  interface Said {
    readonly verb?: PlainVerb;
    readonly operator: string;
    readonly minute?: number;
    readonly shown?: Partial<Shown>;
    readonly facts?: Partial<CommandFacts>;
  }
  /** What each word comes to, from a mode on: the last result, and the state that the log then gives. */
  function said(words: readonly Said[], demanded: SecondOperator = 'armAndResume', from: Safety = inMode('OBSERVING')) {
    let [safety, result] = [from, null as CommandResult | null];
    for (const { verb = 'arm', operator, minute = 0, shown = {}, facts = {} } of words) {
      result = decideCommand(safety, command(verb, { operator, reason: `${operator} has looked` }), { ...READY, ...facts, shown: { ...SHOWN, mode: safety.mode, ...shown }, now: at(minute) }, DEMANDED(demanded));
      safety = evolve(safety, result.events, at(minute));
    }
    return { safety, ...result!, types: result!.events.map(({ type }) => type) };
  }

  test('is asked for by the first, who alone changes nothing; the words say what stood and what to do', () => {
    const { safety, accepted, pending, message, types } = said([{ operator: 'mara' }]);
    expect([safety.mode, accepted, pending, types]).toEqual(['OBSERVING', false, true, ['CommandRequested', 'ControlAccess']]);
    expect(message).toBe('arm is requested, and takes another operator: mode OBSERVING, position flat, worst loss 26 USD. Until 2026-01-06T15:10:00.000000000Z somebody else says `arm` to carry it out');
    expect(safety.request).toMatchObject({ verb: 'arm', operator: 'mara', reason: 'mara has looked', at: AT, shown: SHOWN });
  });

  test('carries it out by saying the same; both names and both reasons are told', () => {
    const { safety, accepted, message, events } = said([{ operator: 'mara' }, { operator: 'ben', minute: 9 }]);
    expect([accepted, message, safety.mode, safety.request]).toEqual([true, 'armed, requested by mara', 'ARMED', null]);
    expect(events).toEqual([
      { type: 'CommandSeconded', data: { verb: 'arm', operator: 'ben', reason: 'ben has looked', requestedBy: 'mara', requestReason: 'mara has looked', requestedAt: '2026-01-06T15:00:00.000000000Z' } },
      { type: 'TradingArmed', data: { operator: 'ben', reason: 'ben has looked', worstLoss: '26', currency: 'USD' } },
      { type: 'ControlAccess', data: { operator: 'ben', verb: 'arm', outcome: 'accepted' } },
    ]);
  });

  test('ends a halt where that is demanded, and is not asked where it is not', () => {
    const halted = { ...inMode('HALTED'), haltCauses: ['operator'] };
    const shown = { causes: ['operator'] };
    expect(said([{ verb: 'resume', operator: 'mara', shown }], 'arm', halted)).toMatchObject({ accepted: true, safety: { mode: 'OBSERVING' } });
    expect(said([{ verb: 'resume', operator: 'mara', shown }], 'armAndResume', halted)).toMatchObject({ accepted: false, pending: true, safety: { mode: 'HALTED' } });
    expect(said([{ verb: 'resume', operator: 'mara', shown }, { verb: 'resume', operator: 'ben', shown }], 'armAndResume', halted)).toMatchObject({ accepted: true, safety: { mode: 'OBSERVING', request: null } });
    expect(said([{ operator: 'mara' }], 'none')).toMatchObject({ accepted: true, types: ['TradingArmed', 'ControlAccess'] });
  });

  test.each(['mara', 'Mara', 'mara ', 'MARA.', 'ｍａｒａ'])('is not the same person once more, as %j', (operator) => {
    const { safety, accepted, message, types } = said([{ operator: 'mara' }, { operator, minute: 9 }]);
    expect([accepted, safety.mode, types]).toEqual([false, 'OBSERVING', ['ControlAccess']]);
    expect(message).toBe('mara has requested this at 2026-01-06T15:00:00.000000000Z already: until 2026-01-06T15:10:00.000000000Z another operator must say `arm`');
    // To say it again does not make it stand longer.
    expect(safety.request?.at).toBe(AT);
  });

  test('who comes too late is refused, and the request is void: the next word is a new one', () => {
    const late = said([{ operator: 'mara' }, { operator: 'ben', minute: 10 }]);
    expect([late.accepted, late.pending, late.safety.mode, late.safety.request]).toEqual([false, undefined, 'OBSERVING', null]);
    expect(late.events[0]).toEqual({ type: 'CommandRequestLapsed', data: { verb: 'arm', operator: 'mara', cause: 'late', detail: 'stood until 2026-01-06T15:10:00.000000000Z, and it is 2026-01-06T15:10:00.000000000Z', by: 'ben' } });
    expect(late.message).toContain('nothing was done and it is void. Look at `status`, then say `arm` again for a request of your own');
    const again = [{ operator: 'mara' }, { operator: 'ben', minute: 10 }, { operator: 'ben', minute: 11 }];
    expect(said(again)).toMatchObject({ pending: true, safety: { request: { operator: 'ben' } } });
    expect(said([...again, { operator: 'mara', minute: 12 }])).toMatchObject({ accepted: true, safety: { mode: 'ARMED' } });
    // Who made it may simply make it anew.
    expect(said([{ operator: 'mara' }, { operator: 'mara', minute: 10 }])).toMatchObject({ pending: true, safety: { request: { operator: 'mara', at: at(10) } } });
  });

  test.each<readonly [string, Partial<Shown>, string]>([
    ['a mode', { mode: 'REDUCING' }, 'mode OBSERVING, now REDUCING'],
    ['a mode that was left and entered again', { modeSince: '2026-01-06T15:01:00Z' }, 'mode OBSERVING was left and entered again'],
    ['a cause of a halt', { causes: ['lossLimit'] }, 'mode OBSERVING, now OBSERVING for lossLimit'],
    ['a position', { position: [{ tradeId: '7', instrument: 'EUR_USD', units: '-100' }] }, 'position flat, now -100 EUR_USD (trade 7)'],
    ['a worst loss', { worstLoss: '27' }, 'worst loss 26 USD, now 27 USD'],
    ['a build, configuration or model', { identity: 'build-1 c n' }, 'build, configuration or model are others'],
  ])('is refused for %s that is no longer what was shown', (_what, shown, told) => {
    const { safety, accepted, message, events } = said([{ operator: 'mara' }, { operator: 'ben', minute: 1, shown }]);
    expect([accepted, safety.mode, safety.request]).toEqual([false, 'OBSERVING', null]);
    expect(message).toContain(`the request of mara to arm was for what has changed since (${told})`);
    expect(events[0]).toMatchObject({ type: 'CommandRequestLapsed', data: { cause: 'changed', by: 'ben' } });
  });

  test('may be asked anew by who asked, when something has changed; by another verb in any case; and not at all where none is demanded any more', () => {
    expect(said([{ operator: 'mara' }, { operator: 'mara', minute: 1, shown: { worstLoss: '27' } }])).toMatchObject({ pending: true, safety: { request: { at: at(1), shown: { worstLoss: '27' } } } });
    expect(said([{ operator: 'mara' }, { verb: 'halt', operator: 'mara' }, { verb: 'resume', operator: 'ben', minute: 1 }])).toMatchObject({ pending: true, types: ['CommandRequested', 'ControlAccess'], safety: { request: { verb: 'resume', operator: 'ben' } } });
    const { safety } = said([{ operator: 'mara' }]);
    expect(said([{ operator: 'ben' }], 'none', safety)).toMatchObject({ accepted: true, safety: { mode: 'ARMED', request: null } });
  });

  test('never stands in the way of what else refuses, nor of who stops trading', () => {
    expect(said([{ operator: 'mara', facts: { ready: false, notReadyReason: 'starting' } }])).toMatchObject({ message: 'not ready: starting', safety: { request: null } });
    expect(said([{ operator: 'mara' }, { operator: 'ben', facts: { unacknowledged: new Set(['trade 7']) } }])).toMatchObject({ accepted: false, safety: { mode: 'OBSERVING', request: { operator: 'mara' } } });
    expect(said([{ operator: 'mara' }, { verb: 'halt', operator: 'mara' }])).toMatchObject({ accepted: true, safety: { mode: 'HALTED' } });
    expect(said([{ verb: 'disarm', operator: 'mara' }], 'armAndResume', inMode('ARMED'))).toMatchObject({ accepted: true, safety: { mode: 'OBSERVING' } });
    expect(said([{ operator: 'mara' }, { verb: 'reconcile', operator: 'ben' }, { operator: 'ben' }])).toMatchObject({ accepted: true, safety: { mode: 'ARMED' } });
  });
});

describe('a halt', () => {
  test.each(HALT_CAUSES)('for %s does to the position what is configured', (cause) => {
    expect(halt(inMode('ARMED'), cause, 'detail', LIMITS)).toEqual([{ type: 'TradingHalted', data: { cause, detail: 'detail', disposition: LIMITS.dispositions[cause], actor: 'daemon' } }]);
  });

  test('adds each further cause once; the strictest disposition stays', () => {
    let safety = evolve(inMode('ARMED'), halt(inMode('ARMED'), 'foreignTrade', '', LIMITS));
    expect(halt(safety, 'foreignTrade', '', LIMITS)).toEqual([]);
    safety = evolve(safety, halt(safety, 'lossLimit', '', LIMITS));
    expect(safety).toMatchObject({ cause: 'foreignTrade', disposition: 'flatten', haltCauses: ['foreignTrade', 'lossLimit'] });
    safety = evolve(safety, halt(safety, 'discrepancy', '', LIMITS));
    expect(safety).toMatchObject({ disposition: 'flatten', haltCauses: ['foreignTrade', 'lossLimit', 'discrepancy'] });
    safety = evolve(safety, decideCommand(safety, command('halt'), READY, SETTINGS).events);
    expect(safety.disposition).toBe('flatten');
    expect(evolve(safety, [{ type: 'TradingResumed', data: { operator: 'mara', reason: 'x' } }])).toMatchObject({ mode: 'OBSERVING', haltCauses: [], disposition: null });
  });

  test.each([['foreignTrade', 'lossLimit'], ['lossLimit', 'foreignTrade']] as const)('for %s stays one halt, since then, when %s follows; the position is flattened either way', (first, second) => {
    const one = evolve(inMode('ARMED'), halt(inMode('ARMED'), first, '', LIMITS));
    const both = evolve(one, halt(one, second, '', LIMITS), plusMs(AT, HOUR_MS));
    expect(both).toMatchObject({ mode: 'HALTED', since: AT, cause: first, disposition: 'flatten', haltCauses: [first, second] });
    expect(halt(both, first, '', LIMITS)).toEqual([]);
    expect(halt(both, second, '', LIMITS)).toEqual([]);
  });

  test('is remembered with cause, time and disposition, and cuts an endless detail', () => {
    const halted = evolve(inMode('ARMED'), halt(inMode('ARMED'), 'overFill', 'x'.repeat(5_000), LIMITS));
    expect(halted).toMatchObject({ mode: 'HALTED', cause: 'overFill', since: AT, disposition: 'flatten' });
    expect(halt(inMode('ARMED'), 'overFill', 'x'.repeat(5_000), LIMITS)[0]).toMatchObject({ data: { detail: 'x'.repeat(2_000) } });
  });

  test('gives its disposition up when it ends', () => {
    expect(evolve({ ...inMode('HALTED'), disposition: 'flatten' }, [{ type: 'TradingResumed', data: { operator: 'mara', reason: 'x' } }])).toMatchObject({ mode: 'OBSERVING', disposition: null });
  });
});

describe('a restart', () => {
  const SAME: RestartFacts = { sameBuildConfigurationAndModel: true, downMs: 299_999, crashesLastHour: 2, hasPosition: false };
  const modeAfter = (mode: Mode, change: Partial<RestartFacts>): Mode => evolve(inMode(mode), decideRestart(inMode(mode), { ...SAME, ...change }, SETTINGS)).mode;

  /** The mode before, the mode after for each reason: none, and each one alone. */
  test.each<readonly [Mode, boolean, Mode, Mode]>([
    ['OBSERVING', false, 'OBSERVING', 'OBSERVING'],
    ['OBSERVING', true, 'OBSERVING', 'OBSERVING'],
    ['ARMED', false, 'ARMED', 'OBSERVING'],
    ['ARMED', true, 'ARMED', 'REDUCING'],
    ['REDUCING', false, 'REDUCING', 'REDUCING'],
    ['REDUCING', true, 'REDUCING', 'REDUCING'],
    ['HALTED', false, 'HALTED', 'HALTED'],
    ['HALTED', true, 'HALTED', 'HALTED'],
  ])('in %s, position %s, leads to %s; with any doubt to %s', (mode, hasPosition, undoubted, doubted) => {
    expect(modeAfter(mode, { hasPosition })).toBe(undoubted);
    for (const doubt of [{ sameBuildConfigurationAndModel: false }, { downMs: 300_000 }, { downMs: Number.NaN }, { crashesLastHour: 3 }]) expect(modeAfter(mode, { hasPosition, ...doubt })).toBe(doubted);
  });

  test.each<readonly [Mode, boolean, Mode]>([
    ['OBSERVING', false, 'OBSERVING'],
    ['OBSERVING', true, 'REDUCING'],
    ['ARMED', false, 'ARMED'],
    ['ARMED', true, 'ARMED'],
    ['REDUCING', false, 'OBSERVING'],
    ['REDUCING', true, 'REDUCING'],
    ['HALTED', false, 'HALTED'],
    ['HALTED', true, 'HALTED'],
  ])('is in %s, position %s by the whole ledger, and goes on in %s', (mode, hasPosition, after) => {
    expect(evolve(inMode(mode), decideByPosition(inMode(mode), hasPosition)).mode).toBe(after);
  });

  test('tells every reason for which it did not come back as it was', () => {
    expect(decideRestart(inMode('ARMED'), { sameBuildConfigurationAndModel: false, downMs: 600_000, crashesLastHour: 5, hasPosition: false }, SETTINGS))
      .toEqual([{ type: 'TradingObserving', data: { cause: 'restart: build, configuration or model changed, down for 600000 ms, 5 crashes in an hour' } }]);
  });
});

describe('what is counted', () => {
  test('is every intent of the last 24 hours, and of the last hour', () => {
    let safety = initialSafety;
    for (const ago of [DAY_MS + 1, DAY_MS, DAY_MS - 1, HOUR_MS, HOUR_MS - 1, 0]) safety = evolveSafety(safety, INTENDED, plusMs(AT, -ago), LIMITS);
    expect(ordersLastDay(safety, AT)).toBe(4);
    expect(ordersLastHour(safety, AT)).toBe(2);
    expect(safety.intendedAt.length).toBeLessThanOrEqual(4);
  });

  test('is every slippage above the tolerance, from arming to arming', () => {
    const strikes = evolve(inMode('ARMED'), [filledWith('0.1'), filledWith('0.1000000001'), filledWith('-1'), filledWith(null), filledWith('0.5')]);
    expect(strikes.slippageStrikes).toBe(2);
    expect(evolve(strikes, [{ type: 'TradingDisarmed', data: { operator: 'm', reason: 'r' } }]).slippageStrikes).toBe(2);
    expect(evolve(strikes, [{ type: 'TradingArmed', data: { operator: 'm', reason: 'r', worstLoss: '1', currency: 'USD' } }]).slippageStrikes).toBe(0);
  });

  test('is every opening order and every loss in a row, from one word of an operator to the next', () => {
    const closed = (type: 'OrderFilled' | 'OrderPartiallyFilled' | 'PositionAdjusted', pl: string, financing = '0'): DomainEvent => ({ type, data: { slippageShare: null, pl, financing } }) as DomainEvent;
    const opening: DomainEvent = { type: 'OrderIntended', data: { leg: 'open' } as DataOf<'OrderIntended'> };
    const lost = evolve(inMode('ARMED'), [opening, closed('OrderFilled', '0'), closed('OrderFilled', '-1'), opening, closed('OrderPartiallyFilled', '0.1', '-0.2'), closed('PositionAdjusted', '-0.0001'), { type: 'OrderIntended', data: { leg: 'close' } as DataOf<'OrderIntended'> }]);
    expect([lost.lossesInARow, lost.executions]).toEqual([3, 2]);
    expect(evolve(lost, [closed('OrderFilled', '0.3', '-0.2')]).lossesInARow).toBe(0);
    expect(evolve(lost, [closed('OrderFilled', '0')]).lossesInARow).toBe(3);
    for (const spoken of [{ type: 'TradingArmed', data: { operator: 'm', reason: 'r', worstLoss: '1', currency: 'USD' } }, { type: 'TradingResumed', data: { operator: 'm', reason: 'r' } }] as const) {
      expect(evolve(lost, [spoken])).toMatchObject({ lossesInARow: 0, executions: 0 });
    }
    expect(evolve(lost, [{ type: 'TradingDisarmed', data: { operator: 'm', reason: 'r' } }])).toMatchObject({ lossesInARow: 3, executions: 2 });
  });

  test('is nothing for events of other kinds', () => {
    const safety = inMode('ARMED');
    expect(evolveSafety(safety, { type: 'FeedConnected', data: { feed: 'pricing' } }, AT, LIMITS)).toBe(safety);
  });
});

/**
 * Safety: the mode that trading is in, what has been counted against its limits, and what a halt means for the
 * position. Everything here is a fold of the log, so a restart forgets nothing.
 *
 * Modes: OBSERVING decides and sends nothing · ARMED trades · REDUCING closes only · HALTED sends no policy
 * order and goes on mirroring and reconciling. Stopping takes one command or one breached limit; arming takes a
 * named operator and a reason, and a second operator where configuration demands one (`consent.ts`).
 */
import type { CommandRequest, Shown } from './consent.ts';
import { decideConsent, takesTwo } from './consent.ts';
import type { DataOf, Disposition, DomainEvent, Mode } from './events.ts';
import type { Instant } from './time.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './time.ts';
import { add, format, money, ratio, ZERO_MONEY } from './money.ts';
import type { Money } from './money.ts';
import type { DeskSettings, HaltCause, SafetyLimits } from './settings.ts';

// --- state ---

export interface Safety {
  readonly mode: Mode;
  readonly since: Instant | null;
  readonly cause: string;
  /** What the present halt means for our position; null unless HALTED. */
  readonly disposition: Disposition | null;
  /** Every cause of the present halt, the first one first. */
  readonly haltCauses: readonly string[];
  /** When each order of the last 24 hours was intended, oldest first. */
  readonly intendedAt: readonly Instant[];
  /** When the broker last rejected an order of ours, at most `REJECTIONS_MAX` times, oldest first. */
  readonly rejectedAt: readonly Instant[];
  /** Fills since the last arming whose slippage was above the tolerance. */
  readonly slippageStrikes: number;
  /** Closing fills of ours in a row that lost, since an operator last armed or resumed. */
  readonly lossesInARow: number;
  /** Opening orders meant since then. */
  readonly executions: number;
  /** What one operator has asked for and no other has answered; it may have become void meanwhile. */
  readonly request: CommandRequest | null;
}

export const initialSafety: Safety = { mode: 'OBSERVING', since: null, cause: 'firstStart', disposition: null, haltCauses: [], intendedAt: [], rejectedAt: [], slippageStrikes: 0, lossesInARow: 0, executions: 0, request: null };

// --- evolve ---

const moved = (safety: Safety, mode: Mode, cause: string, at: Instant): Safety => ({ ...safety, mode, since: at, cause, disposition: null, haltCauses: [] });

/** A further cause never softens a halt: once one of them flattens, the position is flattened. */
function halted(safety: Safety, data: DataOf<'TradingHalted'>, at: Instant): Safety {
  if (safety.mode !== 'HALTED') return { ...moved(safety, 'HALTED', data.cause, at), disposition: data.disposition, haltCauses: [data.cause] };
  return { ...safety, disposition: safety.disposition === 'flatten' ? 'flatten' : data.disposition, haltCauses: [...new Set([...safety.haltCauses, data.cause])] };
}

export function evolveSafety(safety: Safety, event: DomainEvent, at: Instant, limits: SafetyLimits): Safety {
  switch (event.type) {
    case 'TradingArmed':
      return { ...moved(safety, 'ARMED', `operator ${event.data.operator}`, at), ...NO_STREAK, slippageStrikes: 0, request: null };
    case 'TradingObserving':
      return moved(safety, 'OBSERVING', event.data.cause, at);
    case 'TradingReducing':
      return moved(safety, 'REDUCING', event.data.cause, at);
    case 'TradingHalted':
      return halted(safety, event.data, at);
    case 'TradingResumed':
      return { ...moved(safety, 'OBSERVING', `operator ${event.data.operator}`, at), ...NO_STREAK, rejectedAt: [], request: null };
    case 'TradingDisarmed':
      return moved(safety, 'OBSERVING', `operator ${event.data.operator}`, at);
    case 'CommandRequested':
      return { ...safety, request: { ...event.data, at } };
    case 'CommandSeconded':
    case 'CommandRequestLapsed':
      return { ...safety, request: null };
    case 'OrderIntended':
      return { ...safety, intendedAt: [...safety.intendedAt.filter((earlier) => earlier > at - DAY_MS), at], executions: safety.executions + (event.data.leg === 'open' ? 1 : 0) };
    case 'OrderRejected':
      return isLawfulRejection(event.data.reason) ? safety : { ...safety, rejectedAt: [...safety.rejectedAt, at].slice(-REJECTIONS_MAX) };
    case 'OrderFilled':
      return withOutcome(isSlippageStrike(event.data, limits) ? { ...safety, slippageStrikes: safety.slippageStrikes + 1 } : safety, add(money(event.data.pl), money(event.data.financing)));
    case 'OrderPartiallyFilled':
      return withOutcome(safety, add(money(event.data.pl), money(event.data.financing)));
    case 'PositionAdjusted':
      return withOutcome(safety, money(event.data.pl));
    default:
      return safety;
  }
}

const NO_STREAK: Pick<Safety, 'lossesInARow' | 'executions'> = { lossesInARow: 0, executions: 0 };

/** A fill that realises nothing, as one that opens does, ends no streak. */
function withOutcome(safety: Safety, realised: Money): Safety {
  if (realised === ZERO_MONEY || (realised > 0n && safety.lossesInARow === 0)) return safety;
  return { ...safety, lossesInARow: realised < 0n ? safety.lossesInARow + 1 : 0 };
}

/** So many rejections within the span mean that what we send is wrong. */
export const REJECTIONS_MAX = 3;
export const REJECTIONS_SPAN_MS = 10 * MINUTE_MS;

/** A close that comes after its trade has gone is refused as it should be. */
const TRADE_GONE = /TRADE_DOESNT_EXIST|NO_SUCH_TRADE|CLOSEOUT_POSITION_DOESNT_EXIST|does not exist/i;
const isLawfulRejection = (reason: string): boolean => TRADE_GONE.test(reason);

export const rejectedTooOften = (safety: Safety, now: Instant): boolean => safety.rejectedAt.length >= REJECTIONS_MAX && now - safety.rejectedAt[0]! <= REJECTIONS_SPAN_MS;

const isSlippageStrike = (data: DataOf<'OrderFilled'>, limits: SafetyLimits): boolean =>
  data.slippageShare !== null && !(ratio(data.slippageShare) <= limits.slippageShareMax);

const ordersWithin = (safety: Safety, now: Instant, spanMs: number): number => safety.intendedAt.filter((at) => at > now - spanMs).length;
export const ordersLastHour = (safety: Safety, now: Instant): number => ordersWithin(safety, now, HOUR_MS);
export const ordersLastDay = (safety: Safety, now: Instant): number => ordersWithin(safety, now, DAY_MS);

// --- decide ---

/** A halt, unless one stands for the same cause already. */
export function halt(safety: Safety, cause: HaltCause, detail: string, limits: SafetyLimits, actor = 'daemon'): readonly DomainEvent[] {
  const disposition = limits.dispositions[cause];
  if (safety.mode === 'HALTED' && safety.haltCauses.includes(cause)) return [];
  return [{ type: 'TradingHalted', data: { cause, detail: detail.slice(0, 2_000), disposition, actor } }];
}

interface Spoken {
  readonly operator: string;
  readonly reason: string;
}
export type OperatorCommand =
  | (Spoken & { readonly verb: 'arm' | 'disarm' | 'halt' | 'resume' | 'reconcile' })
  /** `id`: of the foreign trade, or of the transaction that requires a review. */
  | (Spoken & { readonly verb: 'acknowledge'; readonly subject: 'trade' | 'transaction'; readonly id: string });

/** What the desk knows when an operator speaks. */
export interface CommandFacts {
  readonly ready: boolean;
  readonly notReadyReason: string;
  readonly hasPosition: boolean;
  /** What waits for an operator: `trade 7`, `transaction 9`. */
  readonly unacknowledged: ReadonlySet<string>;
  /** What a request of this moment is bound to. */
  readonly shown: Shown;
  readonly now: Instant;
}

export interface CommandResult {
  /** Carried out. A request that waits for a second operator is not. */
  readonly accepted: boolean;
  readonly pending?: true;
  readonly message: string;
  readonly events: readonly DomainEvent[];
}

const OPERATOR_NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,63}$/u;

/** Every command comes from somebody, for a reason; null when it does. */
export function refuseAnonymous({ operator, reason }: { readonly operator: string; readonly reason: string }): string | null {
  if (!OPERATOR_NAME.test(operator)) return 'an operator name is needed: letters, digits, blank . _ @ -, at most 64';
  return reason.trim() === '' || reason.length > 500 ? 'a reason is needed, at most 500 characters' : null;
}

/** Answers an operator. Refusals are values that say what to do; every command leaves a trace either way. */
export function decideCommand(safety: Safety, command: OperatorCommand, facts: CommandFacts, settings: DeskSettings): CommandResult {
  const answer = (accepted: boolean, message: string, events: readonly DomainEvent[] = []): CommandResult => ({
    accepted,
    message,
    events: [...events, { type: 'ControlAccess', data: { operator: command.operator.slice(0, 64), verb: command.verb, outcome: accepted ? 'accepted' : message } }],
  });
  const anonymous = refuseAnonymous(command);
  if (anonymous !== null) return answer(false, anonymous);
  const { operator, reason } = command;
  /** What takes two people where configuration says so. */
  const carryOut = (verb: 'arm' | 'resume', message: string, events: readonly DomainEvent[]): CommandResult => {
    if (!takesTwo(settings.safety.secondOperator, verb)) return answer(true, message, events);
    const consent = decideConsent(safety.request, { verb, operator, reason }, facts.shown, facts.now);
    if (consent.kind === 'given') return answer(true, `${message}, ${consent.message}`, [...consent.events, ...events]);
    return { ...answer(false, consent.message, consent.events), ...(consent.kind === 'asked' ? { pending: true } : {}) };
  };
  switch (command.verb) {
    case 'arm':
      if (safety.mode === 'HALTED') return answer(false, 'trading is halted: find out why, then `resume` first');
      if (!facts.ready) return answer(false, `not ready: ${facts.notReadyReason}`);
      if (facts.unacknowledged.size > 0) return answer(false, acknowledgeFirst(facts));
      if (safety.mode === 'ARMED') return answer(true, 'already armed');
      return carryOut('arm', 'armed', [{ type: 'TradingArmed', data: { operator, reason, worstLoss: format(settings.worstLoss), currency: settings.homeCurrency } }]);
    case 'disarm':
      if (safety.mode === 'HALTED') return answer(false, 'trading is halted, which is stricter than disarmed; use `resume` to leave the halt');
      return answer(true, facts.hasPosition ? 'reducing until flat, then observing' : 'observing', [{ type: 'TradingDisarmed', data: { operator, reason } }, ...reduceIfOpen(facts, 'disarm')]);
    case 'halt':
      return answer(true, 'halted', [{ type: 'TradingHalted', data: { cause: 'operator', detail: reason, disposition: settings.safety.dispositions.operator, actor: `operator ${operator}` } }]);
    case 'resume':
      if (safety.mode !== 'HALTED') return answer(false, `trading is ${safety.mode}, not halted`);
      if (facts.unacknowledged.size > 0) return answer(false, acknowledgeFirst(facts));
      return carryOut('resume', facts.hasPosition ? 'reducing until flat, then observing' : 'observing', [{ type: 'TradingResumed', data: { operator, reason } }, ...reduceIfOpen(facts, 'resume')]);
    case 'reconcile':
      return answer(true, 'reconciling');
    case 'acknowledge': {
      const { subject, id } = command;
      if (!facts.unacknowledged.has(`${subject} ${id}`)) return answer(false, `${subject} ${id} waits for no acknowledgement; what does: ${waiting(facts)}`);
      return answer(true, `${subject} ${id} is acknowledged`, [subject === 'trade'
        ? { type: 'ForeignTradeAcknowledged', data: { tradeId: id, operator, reason } }
        : { type: 'TransactionAcknowledged', data: { transactionId: id, operator, reason } }]);
    }
  }
}

const waiting = (facts: CommandFacts): string => (facts.unacknowledged.size === 0 ? 'nothing' : [...facts.unacknowledged].slice(0, 10).join(', '));
const acknowledgeFirst = (facts: CommandFacts): string => `the account holds what Reckoner did not do or does not know (${waiting(facts)}): look at it, then \`acknowledge\` each, or close a foreign trade`;

const reduceIfOpen = (facts: CommandFacts, cause: string): readonly DomainEvent[] => (facts.hasPosition ? [{ type: 'TradingReducing', data: { cause } }] : []);

export interface RestartFacts {
  readonly sameBuildConfigurationAndModel: boolean;
  readonly downMs: number;
  readonly crashesLastHour: number;
  /** By the ledger as it was recorded before the restart. */
  readonly hasPosition: boolean;
}

/**
 * What a restart leaves of ARMED, told together with the start itself, so that an aborted start cannot launder it.
 * Nothing to say means: the mode it had.
 */
export function decideRestart(safety: Safety, facts: RestartFacts, settings: DeskSettings): readonly DomainEvent[] {
  if (safety.mode !== 'ARMED') return [];
  const causes: string[] = [];
  if (!facts.sameBuildConfigurationAndModel) causes.push('build, configuration or model changed');
  if (!(facts.downMs < settings.restart.downMsMax)) causes.push(`down for ${facts.downMs} ms`);
  if (!(facts.crashesLastHour < settings.restart.crashesPerHourMax)) causes.push(`${facts.crashesLastHour} crashes in an hour`);
  if (causes.length === 0) return [];
  const cause = `restart: ${causes.join(', ')}`;
  return [facts.hasPosition ? { type: 'TradingReducing', data: { cause } } : { type: 'TradingObserving', data: { cause } }];
}

/** REDUCING is for a position and OBSERVING for none: which of the two holds once the ledger is whole. */
export function decideByPosition(safety: Safety, hasPosition: boolean): readonly DomainEvent[] {
  if (safety.mode === 'REDUCING' && !hasPosition) return [{ type: 'TradingObserving', data: { cause: 'flat' } }];
  // What an order under way at a disarm or a crash opened must not stay without anybody who may close it.
  if (safety.mode === 'OBSERVING' && hasPosition) return [{ type: 'TradingReducing', data: { cause: 'a position while observing' } }];
  return [];
}

/**
 * The catalogue of everything that is ever logged.
 *
 * Event names, fields and versions are a storage format: what is written here stays readable for as long as a
 * log exists. To change an event, raise its version and add an upcaster; never edit a released schema.
 * Decimals are strings, times are the RFC 3339 strings they came as, and no float is ever stored.
 */
import { z } from 'zod';
import type { Json } from './canonical.ts';
import { ACTIONS } from './policy.ts';

const decimal = z.string().regex(/^-?\d+(\.\d+)?$/, 'must be a plain decimal in a string');
const time = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/, 'must be an RFC 3339 UTC time');
const transactionId = z.string().regex(/^[1-9]\d*$/, 'must be a broker transaction id');
const hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex');
const text = z.string().max(2_000);
const instrument = z.string().regex(/^[A-Z0-9]{2,20}_[A-Z0-9]{2,20}$/, 'must be an instrument such as EUR_USD');
const count = z.int().nonnegative();
const integer = z.int();
const ohlc = z.strictObject({ open: decimal, high: decimal, low: decimal, close: decimal });

const bar = z.strictObject({
  instrument,
  granularity: z.literal('M1'),
  /** Start of the minute. */
  start: time,
  bid: ohlc,
  ask: ohlc,
  /** Number of prices in the minute. */
  volume: count,
});

/** One guard's verdict: what it saw, what it allows, and what is left (negative when it denied). */
const guardVerdict = z.strictObject({ guard: z.string(), passed: z.boolean(), value: z.string(), limit: z.string(), distance: z.string().nullable() });

const quote = z.strictObject({ bid: decimal, ask: decimal, time, tradeable: z.boolean() });

/** How a search looked and chose: with its mask, heads and draw, enough to run it again. */
const searchSettings = z.strictObject({
  kind: z.enum(['stochastic', 'deterministic']),
  chanceCodes: count,
  minConfidence: decimalText(),
  temperature: decimalText(),
  selection: z.discriminatedUnion('algorithm', [
    z.strictObject({ algorithm: z.literal('puct'), pbCInit: decimalText(), pbCBase: decimalText() }),
    z.strictObject({ algorithm: z.literal('gumbel'), consideredActionsMax: count, maxVisitInit: decimalText(), valueScale: decimalText(), scale: decimalText() }),
  ]),
});

const search = z.strictObject({
  simulations: count,
  discount: decimalText(),
  /** Null where version 1 was recorded: the configuration that its hash names has them. */
  settings: searchSettings.nullable(),
  priors: z.array(decimalText()),
  visits: z.array(count),
  q: z.array(decimalText()),
  rawRootValue: decimalText(),
  searchRootValue: decimalText(),
  /** Of Gumbel's rule, which measures its confidence on it; null otherwise. */
  improvedPolicy: z.array(decimalText()).nullable(),
  /** Gumbel numbers drawn for this decision, one an action; null where none were. */
  noise: z.array(decimalText()).nullable(),
  /** Heads of every expansion in order, float32 little-endian, base64. */
  headsBase64: z.string(),
});

/** What JSON can say, walked by hand: a schema would look at each of an old account's millions of values several times over. */
function isJson(value: unknown): value is Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  return Array.isArray(value) ? value.every(isJson) : isJsonObject(value);
}

function isJsonObject(value: unknown): value is { [key: string]: Json } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  // Neither prototype has members to enumerate, so these are the object's own; listing them first would cost as much again.
  for (const key in value) if (!isJson((value as { readonly [key: string]: unknown })[key])) return false;
  return true;
}

/** A float written as its shortest round-trip text, exponent allowed: it is evidence, never money. */
function decimalText() {
  return z.string().regex(/^-?\d+(\.\d+)?(e[+-]\d+)?$/, 'must be a number in a string');
}

export const ORDER_LEGS = ['open', 'close'] as const;
/** Why an order was meant. `policy` alone can open; everything else closes. Version 1 had the first five. */
export const ORDER_CAUSES = ['policy', 'weekend', 'blind', 'lateFill', 'halt', 'unprotected', 'oversize'] as const;
export const MODES = ['OBSERVING', 'ARMED', 'REDUCING', 'HALTED'] as const;
export const RECONCILIATION_TRIGGERS = ['startup', 'postTrade', 'interval', 'reconnect', 'gap', 'unknownOutcome', 'operator'] as const;
export const DISPOSITIONS = ['flatten', 'hold'] as const;
export const RECONCILIATION_SCOPES = ['light', 'full'] as const;
/** What can differ between the ledger and the broker. Version 1 of DiscrepancyDetected had eleven of these. */
export const DISCREPANCY_KINDS = [
  'account', 'currency', 'hedging', 'positionUnits', 'positionDirection', 'positionLimit', 'missingHere', 'missingThere', 'tradeUnits', 'partialFill',
  'pendingOrders', 'stopMissing', 'stopChanged', 'balance', 'profit', 'unexplainedBalance', 'staleLedger', 'ledgerGap', 'transactionMutated',
  'foreignTrade', 'marginCloseout',
] as const;
/** What is done about a difference; `note` changes nothing. */
export const CORRECTION_RULES = ['adopt', 'recreateStop', 'reduce', 'flatten', 'halt', 'note'] as const;
/** Commands that configuration may have two people say. */
const SECONDED_VERBS = ['arm', 'resume'] as const;
/** Why a request was not carried out when a second operator came. */
const LAPSE_CAUSES = ['late', 'changed'] as const;
/** Why a transaction waits for an operator's acknowledgement. */
export const REVIEW_CAUSES = ['unknownType', 'unknownReason', 'manualClose'] as const;

const orderKey = { clientOrderId: z.uuid() };

const fill = z.strictObject({
  ...orderKey,
  transactionId,
  units: decimal,
  price: decimal,
  tradeId: transactionId.nullable(),
  pl: decimal,
  financing: decimal,
  /** Adverse pips against the reference price; negative when better. Null for closes. */
  slippagePips: decimal.nullable(),
  /** Slippage as a share of the distance to the price bound. Null for closes. */
  slippageShare: decimal.nullable(),
  /** True for a fill to close, not to keep: more than a bar after its decision, after a halt, or of an order that had ended. */
  late: z.boolean(),
});

const define = <Version extends number, Schema extends z.ZodType>(category: StreamCategory, version: Version, data: Schema) => ({ category, version, data });
export type StreamCategory = 'bars' | 'ledger' | 'trading' | 'reconciliation' | 'safety' | 'daemon';

export const CATALOGUE = {
  /** A minute ended and the broker called its candle complete. The only bar that can trigger a decision. */
  MarketBarClosed: define('bars', 1, bar),
  /** A complete candle read later than its minute, to close a gap; it never triggers a decision. */
  MarketBarBackfilled: define('bars', 1, bar),
  /**
   * The broker now shows another candle for a minute than was recorded (null: it showed none). Decisions on the old
   * one stand; windows hold the new one from here on.
   */
  MarketBarRevised: define('bars', 1, z.strictObject({ instrument, start: time, recorded: bar.nullable(), revised: bar })),
  /** Open minutes without a bar. */
  MarketGapDetected: define('bars', 1, z.strictObject({
    instrument,
    from: time,
    until: time,
    openMinutes: count,
    cause: z.enum(['weekend', 'break', 'noTicks', 'feed', 'daemonDown']),
  })),

  /** One transaction of the broker's ledger, verbatim as `sinceid` gave it; ids are contiguous. */
  BrokerTransactionRecorded: define('ledger', 1, z.strictObject({ transactionId, body: z.custom<{ [key: string]: Json }>(isJsonObject, 'must be a JSON object') })),
  /** What was sent for an intent and what came back; never the Authorization header. */
  BrokerExchangeRecorded: define('ledger', 1, z.strictObject({
    ...orderKey,
    method: z.enum(['POST', 'PUT']),
    path: text,
    requestBody: z.string(),
    requestHash: hash,
    status: integer.nullable(),
    requestId: text.nullable(),
    replyBody: z.string().nullable(),
    replyTruncated: z.boolean(),
    sentAt: time,
    answeredAt: time.nullable(),
  })),
  /** A trade that we did not open is on the account. New exposure stops; nothing automatic touches it. */
  ForeignTradeObserved: define('ledger', 1, z.strictObject({ tradeId: transactionId, instrument, units: decimal, transactionId })),
  /** A transaction that nobody may trade past before an operator has acknowledged it. */
  ReviewRequired: define('ledger', 1, z.strictObject({ transactionId, cause: z.enum(REVIEW_CAUSES), detail: text })),
  /** The account is too old to be imported from its first transaction: the broker's own snapshot stands for all up to `transactionId`. */
  LedgerBaselined: define('ledger', 1, z.strictObject({
    transactionId,
    currency: z.string(),
    balance: decimal,
    /** Over the account's life until then. */
    realisedPl: decimal,
    financing: decimal,
    commission: decimal,
    trades: z.array(z.strictObject({
      tradeId: transactionId,
      instrument,
      units: decimal,
      initialUnits: decimal,
      price: decimal,
      openedAt: time,
      /** Client id of the trade; null when it has none. */
      clientTradeId: z.string().nullable(),
    })),
    pendingOrders: z.array(z.strictObject({
      orderId: transactionId,
      type: z.string(),
      tradeId: transactionId.nullable(),
      price: decimal.nullable(),
      clientOrderId: z.string().nullable(),
    })),
  })),

  /** What the policy answered for one bar, and all that it saw. */
  DecisionMade: define('trading', 2, z.strictObject({
    decisionId: z.uuid(),
    instrument,
    barStart: time,
    mode: z.enum(MODES),
    policy: z.string(),
    featureSetId: z.string(),
    modelLabel: z.string(),
    /** Of the model that answered. Null where version 1 was recorded: the event's metadata has it. */
    modelHash: hash.nullable(),
    inputHash: hash,
    mask: z.tuple([z.boolean(), z.boolean(), z.boolean(), z.boolean()]),
    action: z.enum(ACTIONS),
    rule: z.string(),
    /** The last ledger id that the decision knew; an order is denied when it has moved. */
    lastTransactionId: z.string(),
    position: z.strictObject({
      side: z.int().min(-1).max(1),
      netPips: decimalText(),
      barsSinceEntry: count,
      peakPips: decimalText(),
      drawdownPipsMax: decimalText(),
      shadow: z.boolean(),
    }),
    search: search.nullable(),
    draw: z.strictObject({ seed: integer, counter: count, value: decimalText() }).nullable(),
  })),
  /** A bar that could have had a decision and had none, with the reason. */
  DecisionSkipped: define('trading', 2, z.strictObject({
    instrument,
    barStart: time,
    reason: z.enum(['windowIncomplete', 'wrongLength', 'gap', 'nonFinite', 'nonPositive', 'zeroDeviation', 'modelFailed', 'illegalAction', 'late', 'halted', 'notReady']),
    detail: text,
  })),
  /** An order is meant; durable before a byte of it leaves. */
  OrderIntended: define('trading', 2, z.strictObject({
    ...orderKey,
    decisionId: z.uuid().nullable(),
    cause: z.enum(ORDER_CAUSES),
    leg: z.enum(ORDER_LEGS),
    instrument,
    /** Signed: what the fill should add to the position. */
    units: decimal,
    /** The trade to close; null for an opening order. */
    tradeId: transactionId.nullable(),
    /** The price expected at decision time and the worst one allowed; null for a close. */
    referencePrice: decimal.nullable(),
    priceBound: decimal.nullable(),
    stopLossDistance: decimal.nullable(),
    /** For the closing leg of a reversal: the side to open once it has filled. */
    reverseTo: z.enum(['BUY', 'SELL']).nullable(),
    /** Ledger id before sending: where to look when no answer comes. */
    watermark: z.string(),
    quote: quote.nullable(),
    guards: z.array(guardVerdict),
    method: z.enum(['POST', 'PUT']),
    path: text,
    requestBody: z.string(),
    requestHash: hash,
  })),
  /** A guard stopped an order that the policy wanted. */
  OrderDenied: define('trading', 2, z.strictObject({
    decisionId: z.uuid().nullable(),
    clientOrderId: z.uuid().nullable(),
    cause: z.enum(ORDER_CAUSES),
    leg: z.enum(ORDER_LEGS),
    instrument,
    units: decimal,
    guard: z.string(),
    guards: z.array(guardVerdict),
  })),
  /** The broker answered the request; what became of the order is the ledger's to say. */
  OrderSubmitted: define('trading', 1, z.strictObject({ ...orderKey, status: integer, requestId: text.nullable() })),
  /** No usable answer: the order may or may not live. Blocks new exposure until the ledger has answered. */
  OrderOutcomeUnknown: define('trading', 1, z.strictObject({ ...orderKey, cause: z.enum(['timeout', 'connection', 'status', 'unparsable', 'crash', 'silence']), detail: text })),
  OrderAccepted: define('trading', 1, z.strictObject({ ...orderKey, orderId: transactionId, transactionId })),
  /** Refused: by a transaction of the ledger, or (id null) by an answer that creates none. */
  OrderRejected: define('trading', 1, z.strictObject({ ...orderKey, reason: text, transactionId: transactionId.nullable() })),
  /** An order filled, or the last part of it; `units` are this fill's own. */
  OrderFilled: define('trading', 1, fill),
  /** A part of a resting order filled; the rest of it still may. */
  OrderPartiallyFilled: define('trading', 1, fill),
  OrderCancelled: define('trading', 1, z.strictObject({ ...orderKey, reason: text, transactionId })),
  /** The ledger stayed silent for the whole quiet period: the order is taken for never placed. */
  OrderAbandoned: define('trading', 1, z.strictObject({ ...orderKey, watermark: z.string(), lastTransactionId: z.string(), quietMs: count })),
  /** Our position changed by a fill that no working order of ours explains: a stop, a closeout, a hand. */
  PositionAdjusted: define('trading', 1, z.strictObject({ instrument, transactionId, reason: text, tradeIds: z.array(transactionId), units: decimal, price: decimal, pl: decimal })),
  /** A protective stop of ours is to be put back; durable before a byte of it leaves, and once for a trade. */
  StopReplacementIntended: define('trading', 1, z.strictObject({
    ...orderKey,
    instrument,
    tradeId: transactionId,
    /** Distance from the trade's opening price, in price units. */
    distance: decimal,
    /** The broker's transactions that show the stop gone or changed; the fill that opened the trade comes first. */
    transactionIds: z.array(transactionId),
    watermark: z.string(),
    method: z.literal('PUT'),
    path: text,
    requestBody: z.string(),
    requestHash: hash,
  })),
  /** The ledger shows the stop that was put back. */
  StopReplaced: define('trading', 1, z.strictObject({ ...orderKey, instrument, tradeId: transactionId, orderId: transactionId, transactionId })),
  /** It was not put back, or was of no use: the trade is closed instead. `transactionId` is null where none tells of it. */
  StopReplacementFailed: define('trading', 1, z.strictObject({ ...orderKey, instrument, tradeId: transactionId, reason: text, transactionId: transactionId.nullable() })),

  ReconciliationCompleted: define('reconciliation', 2, z.strictObject({
    reconciliationId: z.uuid(),
    trigger: z.enum(RECONCILIATION_TRIGGERS),
    /** `light` compares positions and sums, `full` every trade, order and stop. */
    scope: z.enum(RECONCILIATION_SCOPES),
    startedAt: time,
    durationMs: count,
    /** Both sides were compared as of this ledger id; null when a query failed. */
    transactionId: z.string().nullable(),
    outcome: z.enum(['agreed', 'differed', 'failed']),
    checks: z.array(z.string()),
    discrepancies: count,
    /** What was done about them, such as `recreateStop trade 4`. */
    done: z.array(text),
    /** Unrealised profit at our last bars and at the broker's prices: information, since the prices differ. Null where the broker was not asked. */
    unrealisedPl: z.strictObject({ local: decimal, broker: decimal }).nullable(),
    detail: text.nullable(),
  })),
  DiscrepancyDetected: define('reconciliation', 2, z.strictObject({
    /** Null when the ledger itself showed it, without a comparison. */
    reconciliationId: z.uuid().nullable(),
    kind: z.enum(DISCREPANCY_KINDS),
    subject: text,
    local: text,
    broker: text,
    severity: z.enum(['warning', 'critical']),
    rule: z.enum(CORRECTION_RULES),
    /** The broker's transactions that it rests on; the last one is where both sides were compared. */
    transactionIds: z.array(transactionId),
  })),

  TradingArmed: define('safety', 1, z.strictObject({ operator: text, reason: text, worstLoss: decimal, currency: z.string() })),
  TradingDisarmed: define('safety', 1, z.strictObject({ operator: text, reason: text })),
  /** Back to OBSERVING by rule: first start, a restart without a position, a disarm whose position has closed. */
  TradingObserving: define('safety', 1, z.strictObject({ cause: text })),
  TradingReducing: define('safety', 1, z.strictObject({ cause: text })),
  TradingHalted: define('safety', 1, z.strictObject({ cause: z.string(), detail: text, disposition: z.enum(DISPOSITIONS), actor: text })),
  TradingResumed: define('safety', 1, z.strictObject({ operator: text, reason: text })),
  /** An operator knows of a trade that is not ours and lets new exposure stand beside it. */
  ForeignTradeAcknowledged: define('safety', 1, z.strictObject({ tradeId: transactionId, operator: text, reason: text })),
  /** An operator has looked at a transaction that required it. */
  TransactionAcknowledged: define('safety', 1, z.strictObject({ transactionId, operator: text, reason: text })),
  /** One line of the record that `ops/emergency-close` kept beside the daemon: what it did to the account, for whom and when. */
  EmergencyRecordImported: define('safety', 1, z.strictObject({
    /** The run of the tool, and which line of its record this is; no line is imported twice. */
    runId: z.uuid(),
    step: count,
    at: time,
    /** What the line tells, such as started, request, answer, transaction or ended. */
    kind: text,
    /** The broker's transactions that the line lays to the tool: they are no stranger's. */
    transactionIds: z.array(transactionId),
    /** The line itself, verbatim. */
    line: z.string().max(65_536),
  })),
  /** One operator asks for what takes two, on what stood at the time. */
  CommandRequested: define('safety', 1, z.strictObject({
    verb: z.enum(SECONDED_VERBS),
    operator: text,
    reason: text,
    shown: z.strictObject({
      mode: z.enum(MODES),
      /** When it was entered; null before the first change of mode. */
      modeSince: time.nullable(),
      /** Of a halt: all of them. */
      causes: z.array(text),
      /** Every open trade of the account. */
      position: z.array(z.strictObject({ tradeId: transactionId, instrument, units: decimal })),
      worstLoss: decimal,
      currency: z.string(),
      /** Build, configuration and model that would trade. */
      identity: z.string(),
    }),
  })),
  /** Another operator said the same in time, on what was unchanged: the command is carried out, and told next. */
  CommandSeconded: define('safety', 1, z.strictObject({ verb: z.enum(SECONDED_VERBS), operator: text, reason: text, requestedBy: text, requestReason: text, requestedAt: time })),
  /** Another operator (`by`) came too late, or to something else than was requested: the request of `operator` is void. */
  CommandRequestLapsed: define('safety', 1, z.strictObject({ verb: z.enum(SECONDED_VERBS), operator: text, cause: z.enum(LAPSE_CAUSES), detail: text, by: text })),
  /** Every operator command, obeyed or refused. */
  ControlAccess: define('safety', 1, z.strictObject({ operator: text, verb: text, outcome: text })),

  DaemonStarted: define('daemon', 2, z.strictObject({
    epoch: count,
    previousRun: z.enum(['none', 'clean', 'crashed']),
    downMs: count,
    build: z.string(),
    nodeVersion: z.string(),
    configHash: hash,
    modelHash: hash,
    modelLabel: z.string(),
    accountId: z.string(),
    environment: z.string(),
    /** What is traded, as the broker described it at this start. Null where version 1 was recorded. */
    instruments: z.array(z.strictObject({
      name: instrument,
      pipLocation: integer,
      displayPrecision: count,
      tradeUnitsPrecision: count,
      minimumTradeSize: decimal,
      marginRate: decimal,
    })).nullable(),
  })),
  /** The account's ledger carries a higher epoch from before this run: ours is raised above it. */
  EpochRaised: define('daemon', 1, z.strictObject({ epoch: count, transactionId })),
  DaemonStopped: define('daemon', 1, z.strictObject({ reason: text, exitCode: count })),
  FeedConnected: define('daemon', 1, z.strictObject({ feed: z.enum(['pricing', 'transactions']) })),
  FeedDisconnected: define('daemon', 1, z.strictObject({ feed: z.enum(['pricing', 'transactions']), detail: text })),
  /** Streams ended too often: none is opened for a while, and nothing is opened in the market. */
  FeedBreakerOpened: define('daemon', 1, z.strictObject({ reconnects: count, windowMs: count, pauseMs: count })),
  /** The first connection after the breaker's pause stands. */
  FeedBreakerClosed: define('daemon', 1, z.strictObject({})),
  ModelLoaded: define('daemon', 1, z.strictObject({ modelHash: hash, modelLabel: z.string(), featureSetId: z.string(), trained: z.boolean() })),
  ModelRejected: define('daemon', 1, z.strictObject({ check: z.string(), detail: text })),
  /** An operator's model, verified, has taken over: every later decision is its own, every earlier one the former's. */
  ModelSwapped: define('daemon', 1, z.strictObject({
    operator: text, reason: text, directory: text, formerModelHash: hash, modelHash: hash, modelLabel: z.string(), featureSetId: z.string(), trained: z.boolean(),
  })),
  AlertRaised: define('daemon', 1, z.strictObject({ code: z.string(), severity: z.enum(['critical', 'warning', 'info']), detail: text })),
} as const;

export type EventType = keyof typeof CATALOGUE;
export type DataOf<T extends EventType> = z.infer<(typeof CATALOGUE)[T]['data']>;
export type EventOf<T extends EventType> = { readonly type: T; readonly data: DataOf<T> };
/** A fact of the domain, before it has a place in the log. */
export type DomainEvent = { [T in EventType]: EventOf<T> }[EventType];
export type GuardVerdict = z.infer<typeof guardVerdict>;
export type Mode = (typeof MODES)[number];
export type OrderLeg = (typeof ORDER_LEGS)[number];
export type OrderCause = (typeof ORDER_CAUSES)[number];
export type ReconciliationTrigger = (typeof RECONCILIATION_TRIGGERS)[number];
export type Disposition = (typeof DISPOSITIONS)[number];
export type ReconciliationScope = (typeof RECONCILIATION_SCOPES)[number];
export type DiscrepancyKind = (typeof DISCREPANCY_KINDS)[number];
export type CorrectionRule = (typeof CORRECTION_RULES)[number];
export type ReviewCause = (typeof REVIEW_CAUSES)[number];

/** Raised for a row that is no event of this catalogue. The message names the event and the field. */
export class EventFormatError extends Error {
  override readonly name = 'EventFormatError';
}

type Upcaster = (data: unknown) => unknown;
/** For a version that only allows more values than the one before. */
const sameFields: Upcaster = (data) => data;
const withFields = (fields: { readonly [name: string]: unknown }): Upcaster => (data) => ({ ...z.looseObject({}).parse(data), ...fields });

const decisionMade1 = z.looseObject({ search: z.looseObject({}).nullable() });

/**
 * Readings of older versions: `Type@version` to the data of the next one, pure, applied when a row is read. Stored
 * bytes never change, and what was not recorded stays unknown.
 */
const UPCASTERS: { readonly [typeAtVersion: string]: Upcaster | undefined } = {
  'DecisionSkipped@1': sameFields,
  'OrderIntended@1': sameFields,
  'OrderDenied@1': sameFields,
  'DecisionMade@1': (data) => {
    const { search: found, ...rest } = decisionMade1.parse(data);
    return { ...rest, modelHash: null, search: found === null ? null : { ...found, settings: null, improvedPolicy: null, noise: null } };
  },
  'DaemonStarted@1': withFields({ instruments: null }),
  // There was one kind of comparison, it did nothing, and every difference halted.
  'ReconciliationCompleted@1': withFields({ scope: 'full', done: [], unrealisedPl: null }),
  'DiscrepancyDetected@1': withFields({ rule: 'halt', transactionIds: [] }),
};

/** @throws EventFormatError for data that are not of the version that they claim. */
function lift(upcast: Upcaster, data: unknown, where: string): unknown {
  try {
    return upcast(data);
  } catch (error) {
    if (error instanceof z.ZodError) throw malformed(where, error);
    throw error;
  }
}

const malformed = (where: string, error: z.ZodError): EventFormatError => new EventFormatError(`${where} is malformed: ${z.prettifyError(error).replaceAll('\n', ' ')}`);

const isEventType = (type: string): type is EventType => Object.hasOwn(CATALOGUE, type);

/**
 * Reads an event out of what was stored. Unknown types and versions are refused: a log with facts that this
 * build cannot read must not be traded on.
 *
 * @param where names the row for the message, such as `ledger-x@41`.
 */
export function parseEvent(type: string, schemaVersion: number, data: unknown, where: string): DomainEvent {
  if (!isEventType(type)) throw new EventFormatError(`${where}: this build does not know the event type "${type}"; run the build that wrote it or a later one`);
  const entry = CATALOGUE[type];
  let lifted = data;
  for (let version = schemaVersion; version !== entry.version; version += 1) {
    const upcast = version < entry.version ? UPCASTERS[`${type}@${version}`] : undefined;
    if (upcast === undefined) throw new EventFormatError(`${where}: ${type} has schema version ${schemaVersion}, this build reads ${entry.version}`);
    lifted = lift(upcast, lifted, `${where}: ${type}`);
  }
  const result = entry.data.safeParse(lifted);
  if (!result.success) throw malformed(`${where}: ${type}`, result.error);
  return { type, data: result.data } as DomainEvent;
}

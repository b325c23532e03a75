/**
 * The catalogue of what can go wrong on the broker's link: a name for each fault as it is met in practice, and the
 * rows of the catalogue that it belongs to. Each preset ends by itself, so that a storm of them does too.
 */

/** Text by key, as a plan spells a fault. */
export type RawFault = { readonly [key: string]: string | { readonly [key: string]: string } };

const ORDERS = { method: 'POST', path: '/orders' };
const READS = { method: 'GET', path: '*' };
const LEDGER = { method: 'GET', path: '/transactions/sinceid' };
const CANDLES = { method: 'GET', path: '*/candles' };
const once = { count: '1' };
const lasting = (durationMs: number): { durationMs: string } => ({ durationMs: String(durationMs) });
const MINUTE = 60_000;

export const PRESETS: { readonly [name: string]: readonly RawFault[] } = {
  lostResponse: [{ kind: 'lostResponse', ...ORDERS, ...once }],
  lostResponseAfterHeaders: [{ kind: 'lostResponse', ...ORDERS, cut: 'afterHeaders', ...once }],
  unansweredOrder: [{ kind: 'lostResponse', ...ORDERS, cut: 'never', ...once }],
  unexecutedOrder: [{ kind: 'lostResponse', ...ORDERS, executed: 'false', ...once }],
  gatewayTimeoutAfterAcceptance: [{ kind: 'status', ...ORDERS, status: '504', body: 'html', executed: 'true', ...once }],
  badGatewayAfterAcceptance: [{ kind: 'status', ...ORDERS, status: '502', body: 'html', executed: 'true', ...once }],
  lateExecution: [{ kind: 'lateExecution', ...ORDERS, delayMs: String(3 * MINUTE), ...once }],
  slowReplies: [{ kind: 'latency', delayMs: '300', jitterMs: '700', ...lasting(2 * MINUTE) }],
  tooManyRequests: [{ kind: 'status', status: '429', retryAfterSeconds: '5', errorMessage: 'Too many requests', count: '5' }],
  tooManyRequestsNoHint: [{ kind: 'status', status: '429', errorMessage: 'Too many requests', count: '5' }],
  serverError: [{ kind: 'status', status: '500', body: 'empty', count: '3' }],
  maintenance: [
    { kind: 'status', status: '503', body: 'html', ...lasting(5 * MINUTE) },
    { kind: 'status', host: 'stream', status: '503', body: 'html', ...lasting(5 * MINUTE) },
    { kind: 'cutStream', ...lasting(5 * MINUTE) },
  ],
  tokenRevoked: [
    { kind: 'status', status: '401', errorMessage: 'Insufficient authorization to perform request.', ...lasting(10 * MINUTE) },
    { kind: 'status', host: 'stream', status: '401', errorMessage: 'Insufficient authorization to perform request.', ...lasting(10 * MINUTE) },
  ],
  accountLocked: [{ kind: 'status', ...ORDERS, status: '403', errorCode: 'ACCOUNT_LOCKED', errorMessage: 'The account is locked', ...lasting(10 * MINUTE) }],
  orderRejected: [{ kind: 'status', ...ORDERS, status: '400', errorCode: 'INSUFFICIENT_FUNDS', errorMessage: 'The Account does not have sufficient funds', ...once }],
  notFoundAfterSubmit: [{ kind: 'status', method: 'GET', path: '/orders/*', status: '404', errorCode: 'NO_SUCH_ORDER', errorMessage: 'The order ID specified does not exist', ...lasting(5_000) }],
  otherClientError: [{ kind: 'status', ...ORDERS, status: '405', errorMessage: 'Method not allowed', ...once }],
  replyCutMidBody: [{ kind: 'lostResponse', ...ORDERS, cut: 'midBody', ...once }],
  readCutMidBody: [{ kind: 'lostResponse', ...READS, cut: 'midBody', count: '3' }],
  redirect: [{ kind: 'status', status: '307', body: 'empty', location: 'https://example.com/v3/accounts', count: '2' }],
  garbageReply: [{ kind: 'badBody', form: 'garbage', count: '2' }],
  htmlReply: [{ kind: 'badBody', form: 'html', count: '2' }],
  truncatedReply: [{ kind: 'badBody', form: 'truncated', count: '2' }],
  wrongCharsetReply: [{ kind: 'badBody', form: 'wrongCharset', count: '2' }],
  hugeReply: [{ kind: 'badBody', form: 'huge', ...READS, ...once }],
  drippingReply: [{ kind: 'badBody', form: 'drip', ...READS, ...once }],
  gzipBomb: [{ kind: 'badBody', form: 'gzipBomb', ...READS, bytes: String(100 * 1024 * 1024), ...once }],
  oversizedLine: [{ kind: 'badLine', form: 'oversized', ...once }],
  deepNesting: [{ kind: 'badBody', form: 'deepNesting', ...READS, ...once }],
  duplicateKeys: [{ kind: 'badBody', form: 'duplicateKeys', ...READS, count: '2' }],
  prototypeKey: [{ kind: 'badBody', form: 'prototypeKey', ...READS, count: '2' }],
  numbersForStrings: [{ kind: 'badBody', form: 'numbers', ...READS, count: '2' }],
  exponentNumbers: [{ kind: 'badBody', form: 'exponent', ...READS, count: '2' }],
  notANumber: [{ kind: 'badBody', form: 'notANumber', ...READS, count: '2' }],
  duplicateLines: [{ kind: 'duplicateLines', stream: 'transactions', ...lasting(10 * MINUTE) }],
  alteredTransactions: [{ kind: 'alteredTransactions', ...lasting(MINUTE) }],
  lateLines: [{ kind: 'lateLines', stream: 'transactions', delayMs: '3000', ...lasting(10 * MINUTE) }],
  reorderedLines: [{ kind: 'reorderedLines', stream: 'transactions', ...lasting(10 * MINUTE) }],
  droppedLines: [{ kind: 'dropLines', stream: 'transactions', lines: 'data', probability: '0.5', ...lasting(10 * MINUTE) }],
  slicedLines: [{ kind: 'slicedLines', ...lasting(MINUTE) }],
  mergedLines: [{ kind: 'mergedLines', ...lasting(MINUTE) }],
  garbageLine: [{ kind: 'badLine', form: 'garbage', ...once }],
  gapNeverFilled: [{ kind: 'withheldTransactions', type: 'ORDER_FILL', ...lasting(10 * MINUTE) }],
  staleReads: [{ kind: 'staleReads', ...lasting(30_000) }],
  transactionSilence: [{ kind: 'dropLines', stream: 'transactions', ...lasting(2 * MINUTE) }],
  priceSilence: [{ kind: 'dropLines', stream: 'pricing', ...lasting(2 * MINUTE) }],
  onlyHeartbeats: [{ kind: 'dropLines', stream: 'pricing', lines: 'data', ...lasting(5 * MINUTE) }],
  onlyPrices: [{ kind: 'dropLines', stream: 'pricing', lines: 'heartbeats', ...lasting(5 * MINUTE) }],
  heartbeatAhead: [{ kind: 'heartbeatAhead', ...lasting(MINUTE) }],
  stalePrice: [{ kind: 'badPrice', form: 'stale', ...lasting(5 * MINUTE) }],
  crossedPrice: [{ kind: 'badPrice', form: 'crossed', ...lasting(MINUTE) }],
  zeroPrice: [{ kind: 'badPrice', form: 'zero', ...lasting(MINUTE) }],
  notANumberPrice: [{ kind: 'badPrice', form: 'notANumber', ...lasting(MINUTE) }],
  outlierPrice: [{ kind: 'badPrice', form: 'outlier', pips: '500', ...lasting(30_000) }],
  widePrice: [{ kind: 'badPrice', form: 'wide', ...lasting(5 * MINUTE) }],
  nonTradeable: [{ kind: 'badPrice', form: 'nonTradeable', ...lasting(10 * MINUTE) }],
  lateCandle: [{ kind: 'badCandles', form: 'late', ageMs: '45000', ...lasting(5 * MINUTE) }],
  missedCandle: [{ kind: 'badCandles', form: 'late', ageMs: '75000', ...lasting(5 * MINUTE) }],
  incompleteCandle: [{ kind: 'badCandles', form: 'incomplete', ageMs: '30000', ...lasting(5 * MINUTE) }],
  revisedCandles: [{ kind: 'badCandles', form: 'revised', ...lasting(30 * MINUTE) }],
  missingCandles: [{ kind: 'badCandles', form: 'missing', ...lasting(15 * MINUTE) }],
  crossedCandles: [{ kind: 'badCandles', form: 'crossed', ...lasting(2 * MINUTE) }],
  zeroCandles: [{ kind: 'badCandles', form: 'zero', ...lasting(2 * MINUTE) }],
  outlierCandles: [{ kind: 'badCandles', form: 'outlier', pips: '500', ...lasting(MINUTE) }],
  candlesFail: [{ kind: 'status', ...CANDLES, status: '502', body: 'html', ...lasting(3 * MINUTE) }],
  ledgerFails: [{ kind: 'status', ...LEDGER, status: '502', body: 'html', ...lasting(2 * MINUTE) }],
  clockSkew: [{ kind: 'clockSkew', skewMs: '-7000', ...lasting(5 * MINUTE) }],
  foreignTrade: [{ kind: 'foreignTrade' }],
  manualClose: [{ kind: 'manualClose' }],
  stopCancelled: [{ kind: 'stopCancelled' }],
  otherAccount: [{ kind: 'accountChanged', field: 'id', count: '5' }],
  currencyChanged: [{ kind: 'accountChanged', field: 'currency', count: '5' }],
  hedgingTurnedOn: [{ kind: 'accountChanged', field: 'hedging', count: '5' }],
  unknownLineType: [{ kind: 'badLine', form: 'unknownType', stream: 'transactions', ...once }],
  unknownEnum: [{ kind: 'badBody', form: 'unknownEnum', ...READS, count: '2' }],
  unknownFields: [{ kind: 'badBody', form: 'unknownFields', ...lasting(5 * MINUTE) }],
  cutStreams: [{ kind: 'cutStream', ...lasting(10_000) }],
  cutMidLine: [{ kind: 'cutStream', midLine: 'true', ...once }],
  flappingStreams: [{ kind: 'cutStream', probability: '0.5', ...lasting(10 * MINUTE) }],
  streamsRefused: [{ kind: 'cutStream', ...lasting(2 * MINUTE) }, { kind: 'refuseStreams', ...lasting(2 * MINUTE) }],
  higherEpochOrder: [{ kind: 'foreignTrade', tag: 'reckoner:epoch:999999999' }],
  duplicateClientId: [{ kind: 'foreignTrade', clientId: 'takeOurs' }],
};

/** Rows that no broker can bring about, and who can. */
export const ROWS_ELSEWHERE: { readonly [row: number]: string } = {
  11: 'name resolution fails on the daemon’s side: give it a host that does not resolve',
  13: 'certificates are the server’s: put a server with another certificate at the address',
  32: 'the wall clock is the daemon’s: move its clock',
  33: 'the process is the daemon’s: stop and continue it with signals',
  48: 'the disk is the daemon’s: make its data directory read-only or full',
};

/** The preset that stands for a row of the catalogue; the others are forms of the same fault. */
export const ROWS: { readonly [row: number]: string } = {
  1: 'lostResponse', 2: 'lateExecution', 4: 'tooManyRequests', 5: 'maintenance', 6: 'tokenRevoked', 7: 'accountLocked',
  8: 'orderRejected', 9: 'notFoundAfterSubmit', 10: 'otherClientError', 12: 'replyCutMidBody', 14: 'redirect', 15: 'garbageReply',
  16: 'hugeReply', 17: 'deepNesting', 18: 'duplicateKeys', 19: 'duplicateLines', 20: 'reorderedLines', 21: 'gapNeverFilled',
  22: 'staleReads', 23: 'transactionSilence', 24: 'priceSilence', 25: 'heartbeatAhead', 26: 'outlierPrice', 27: 'lateCandle',
  28: 'revisedCandles', 29: 'missingCandles', 30: 'nonTradeable', 31: 'clockSkew', 36: 'foreignTrade', 37: 'manualClose',
  38: 'stopCancelled', 41: 'currencyChanged', 45: 'unknownLineType', 46: 'flappingStreams', 47: 'higherEpochOrder',
};

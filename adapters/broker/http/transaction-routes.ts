/** The account's ledger: in pages by time, by id, by range, and since an id. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { pathText, queryText } from './app.ts';
import { HttpError } from './errors.ts';
import { readCount, readId, readTime } from './queries.ts';
import type { Body } from '../engine/bodies.ts';
import { compact } from '../engine/bodies.ts';
import type { Engine } from '../engine/engine.ts';
import { InvalidRequest, invalidValue } from '../engine/requests.ts';
import { atLastId, bodiesOf, readSince } from '../reads.ts';
import type { Venue } from '../venue.ts';
import { DAY_MS, formatInstant } from '../../../domain/time.ts';

const PAGE_SIZE_DEFAULT = 100;
const PAGE_SIZE_MAX = 1_000;
const RANGE_DAYS_MAX = 365;

const ORDER_TYPES = ['MARKET_ORDER', 'FIXED_PRICE_ORDER', 'LIMIT_ORDER', 'STOP_ORDER', 'MARKET_IF_TOUCHED_ORDER', 'TAKE_PROFIT_ORDER', 'STOP_LOSS_ORDER', 'TRAILING_STOP_LOSS_ORDER', 'GUARANTEED_STOP_LOSS_ORDER'];
/** Filters that stand for several types. */
const GROUPS: { readonly [name: string]: readonly string[] } = {
  ORDER: [...ORDER_TYPES, ...ORDER_TYPES.map((type) => `${type}_REJECT`), 'ORDER_FILL', 'ORDER_CANCEL', 'ORDER_CANCEL_REJECT', 'ORDER_CLIENT_EXTENSIONS_MODIFY', 'ORDER_CLIENT_EXTENSIONS_MODIFY_REJECT'],
  FUNDING: ['TRANSFER_FUNDS', 'TRANSFER_FUNDS_REJECT'],
  ADMIN: ['CREATE', 'CLOSE', 'REOPEN', 'CLIENT_CONFIGURE', 'CLIENT_CONFIGURE_REJECT'],
};
const SINGLE_TYPES: ReadonlySet<string> = new Set([
  ...Object.values(GROUPS).flat(), 'TRADE_CLIENT_EXTENSIONS_MODIFY', 'TRADE_CLIENT_EXTENSIONS_MODIFY_REJECT', 'MARGIN_CALL_ENTER', 'MARGIN_CALL_EXTEND',
  'MARGIN_CALL_EXIT', 'DELAYED_TRADE_CLOSURE', 'DAILY_FINANCING', 'DIVIDEND_ADJUSTMENT', 'RESET_RESETTABLE_PL',
]);

/** The types that a `type` parameter lets through, or null for all. */
function readTypes(request: FastifyRequest): ReadonlySet<string> | null {
  const text = queryText(request, 'type');
  if (text === undefined) return null;
  const names = text.split(',');
  if (names.some((name) => !(name in GROUPS) && !SINGLE_TYPES.has(name))) throw invalidValue('type');
  return new Set(names.flatMap((name) => GROUPS[name] ?? [name]));
}

/** The pages that hold the transactions of a span of time: each a whole URL of an id range. */
function pagesBody(venue: Venue, request: FastifyRequest): Body {
  const { engine } = venue;
  const types = readTypes(request);
  const [from, to] = [readTime(request, 'from') ?? engine.openedAt, readTime(request, 'to') ?? venue.now];
  const pageSize = readCount(request, 'pageSize', PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX);
  if (to < from) throw invalidValue('to');
  if (queryText(request, 'from') !== undefined && to - from > RANGE_DAYS_MAX * DAY_MS) throw new InvalidRequest(`The time range between 'from' and 'to' exceeds ${RANGE_DAYS_MAX} days`);
  const within = engine.transactions(1, engine.lastTransactionId).filter(({ at }) => at >= from && at <= to);
  const [first, last] = [within[0]?.id ?? 1, within.at(-1)?.id ?? 0];
  const base = `${request.protocol}://${request.host}/v3/accounts/${engine.settings.accountId}/transactions/idrange`;
  const typeText = queryText(request, 'type');
  const pages: string[] = [];
  for (let id = first; id <= last; id += pageSize) {
    pages.push(`${base}?from=${id}&to=${Math.min(id + pageSize - 1, last)}${typeText === undefined ? '' : `&type=${encodeURIComponent(typeText)}`}`);
  }
  const count = within.filter((each) => types === null || types.has(each.type)).length;
  return compact({ from: formatInstant(from), to: formatInstant(to), pageSize, type: typeText?.split(','), count, pages });
}

function sinceBody(engine: Engine, request: FastifyRequest): Body {
  const types = readTypes(request);
  const id = readId(request, 'id');
  if (id > engine.lastTransactionId) throw new HttpError(416, "Invalid value specified for 'id'");
  return readSince(engine, id, types);
}

function rangeBody(engine: Engine, request: FastifyRequest): Body {
  const types = readTypes(request);
  const [from, to] = [readId(request, 'from'), readId(request, 'to')];
  if (from < 1 || to < from || to > engine.lastTransactionId) throw new HttpError(416, "Invalid value specified for 'from' or 'to'");
  if (to - from >= engine.settings.switches.idRangeMax) throw new InvalidRequest("Maximum value for 'to' exceeded");
  return { transactions: bodiesOf(engine.transactions(from, to), types) };
}

export function addTransactionRoutes(app: FastifyInstance, venue: Venue): void {
  const transactions = '/v3/accounts/:accountId/transactions';
  const { engine } = venue;
  app.get(transactions, async (request) => atLastId(engine, pagesBody(venue, request)));
  app.get(`${transactions}/sinceid`, async (request) => sinceBody(engine, request));
  app.get(`${transactions}/idrange`, async (request) => atLastId(engine, rangeBody(engine, request)));
  app.get(`${transactions}/:transactionId`, async (request) => {
    const text = pathText(request, 'transactionId');
    const transaction = /^\d{1,15}$/.test(text) ? engine.transaction(Number(text)) : undefined;
    if (transaction === undefined) throw new HttpError(404, 'The transaction ID specified does not exist');
    return atLastId(engine, { transaction: transaction.body });
  });
}

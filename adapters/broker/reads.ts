/**
 * What a client reads of the account: the bodies that the routes answer with, and that a backtest takes without a
 * route, since there is nothing in a read that HTTP would add to.
 */
import type { Body, Json, Transaction } from './engine/bodies.ts';
import { marketOf } from './engine/book.ts';
import type { Engine } from './engine/engine.ts';
import { positionBodies } from './engine/holdings-views.ts';
import { accountBody, accountSummaryBody, instrumentBody } from './engine/views.ts';

/** Transactions in one answer of sinceid. */
export const TRANSACTIONS_MAX = 1_000;

/** Adds the id at which the account was read. */
export const atLastId = (engine: Engine, body: Body): Body => ({ ...body, lastTransactionID: String(engine.lastTransactionId) });

export const readInstruments = (engine: Engine, names: readonly string[] = [...engine.book.markets.keys()]): Body =>
  atLastId(engine, { instruments: names.map((name) => instrumentBody(engine, marketOf(engine.book, name))) });
export const readAccount = (engine: Engine): Body => atLastId(engine, { account: accountBody(engine) });
export const readSummary = (engine: Engine): Body => atLastId(engine, { account: accountSummaryBody(engine) });
export const readOpenPositions = (engine: Engine): Body => atLastId(engine, { positions: positionBodies(engine, 'open') });

export const bodiesOf = (transactions: readonly Transaction[], types: ReadonlySet<string> | null): Json =>
  transactions.filter(({ type }) => types === null || types.has(type)).map(({ body }) => body);

/** One page of the transactions above an id that the account has reached. */
export const readSince = (engine: Engine, id: number, types: ReadonlySet<string> | null): Body =>
  atLastId(engine, { transactions: bodiesOf(engine.transactions(id + 1, Math.min(engine.lastTransactionId, id + TRANSACTIONS_MAX)), types) });

/**
 * Faults planted in the product, each of which an invariant must find: the canaries of the design's list, as far as the model
 * can express them. A mutant is one text of one file put in place of another, at load and by test code only.
 */

export interface Mutant {
  /** As the design's list has it; a letter behind it where there are several of a kind. */
  readonly name: string;
  readonly what: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'M1',
    what: 'an order is posted again when no answer comes',
    file: 'src/daemon/effects.ts',
    from: 'const exchange = await parts.broker.send(effect.request);',
    to: 'let exchange = await parts.broker.send(effect.request);\n      if (exchange.failure !== null) exchange = await parts.broker.send(effect.request);',
  },
  {
    name: 'M2',
    what: 'not found counts as refused',
    file: 'adapters/oanda/client.ts',
    from: 'if (status === 404 && !refusal.inLedger) return failure(',
    to: 'if (status === 404 && status !== 404) return failure(',
  },
  {
    name: 'M3',
    what: 'the position moves by what was ordered, not by what was filled',
    file: 'domain/ledger.ts',
    from: 'const opened = units(body.tradeOpened.units, `transaction ${body.id} tradeOpened.units`);',
    to: 'const opened = units(body.requestedUnits as string ?? body.tradeOpened.units, `transaction ${body.id} tradeOpened.units`);',
  },
  {
    name: 'M4',
    what: 'a transaction that comes twice counts twice',
    file: 'domain/ledger.ts',
    from: 'if (transaction.id <= last) continue;',
    to: 'if (transaction.id < last) continue;\n    if (transaction.id === last) { fresh.push(transaction); continue; }',
  },
  {
    name: 'M5',
    what: 'a hole in the ids is skipped',
    file: 'domain/ledger.ts',
    from: 'if (transaction.id !== last + 1) return { fresh, gapAfter: last };',
    to: '',
  },
  {
    name: 'M6',
    what: 'effects begin before their facts are durable',
    file: 'src/daemon/runtime.ts',
    from: 'if (emissions.length > 0) await this.#options.journal.append(emissions);\n      this.#options.recorded(emissions);\n      this.#state = state;',
    to: 'this.#options.recorded(emissions);\n      this.#state = state;\n      for (const effect of effects) this.#start(effect);\n      effects.splice(0);\n      if (emissions.length > 0) await this.#options.journal.append(emissions);',
  },
  {
    name: 'M7',
    what: 'the journal acknowledges before the store has',
    file: 'src/daemon/journal.ts',
    from: 'return this.#durable(recordedBy(await this.#options.store.append(this.#batchOf(emissions))));',
    to: 'const written = this.#options.store.append(this.#batchOf(emissions));\n    written.catch(() => {});\n    return this.#durable(recordedBy(await Promise.race([written, Promise.resolve({ kind: "appended", events: [] })])));',
  },
  {
    name: 'M8',
    what: 'the loop goes on after an append that failed',
    file: 'src/daemon/runtime.ts',
    from: 'if (emissions.length > 0) await this.#options.journal.append(emissions);\n      this.#options.recorded(emissions);',
    to: 'if (emissions.length > 0) await this.#options.journal.append(emissions).catch(() => {});\n      this.#options.recorded(emissions);',
  },
  {
    name: 'M10',
    what: 'a price that is not tradeable is traded on',
    file: 'domain/guards.ts',
    from: 'must(isMarketOpen(calendar, now) && quote?.tradeable === true,',
    to: 'must(isMarketOpen(calendar, now) && quote !== null,',
  },
  {
    name: 'M11',
    what: 'an incomplete candle counts as a bar',
    file: 'adapters/oanda/wire.ts',
    from: 'if (candle.complete) bars.push(',
    to: 'if (candle.complete || true) bars.push(',
  },
  {
    name: 'M12',
    what: 'a window bridges a weekend or an open gap as if nothing were missing',
    file: 'domain/market.ts',
    from: '  weekend || openMinutes > windowGapMinutesMax;',
    to: '  weekend && openMinutes > windowGapMinutesMax && openMinutes < 0;',
  },
  {
    name: 'M13',
    what: 'profit is rounded to cents at each step, through a float',
    file: 'domain/ledger.ts',
    from: 'realisedPl: add(ledger.realisedPl, pl),',
    to: 'realisedPl: add(ledger.realisedPl, BigInt(Math.round(Number(pl) / 1e8)) * 100_000_000n as Money),',
  },
  {
    name: 'M15',
    what: 'orders are counted in memory only',
    file: 'src/daemon/recovery.ts',
    from: '  return state;\n}',
    to: '  return { ...state, safety: { ...state.safety, intendedAt: [], executions: 0 } };\n}',
  },
  {
    name: 'M16',
    what: 'a close is an order the other way, by what we think we hold',
    file: 'domain/order-request.ts',
    from: "  method: 'PUT',\n  path: `/accounts/${accountId}/trades/${tradeId}/close`,\n  body: canonicalJson({ units: units ?? 'ALL' }),",
    to: "  method: 'POST',\n  path: `/accounts/${accountId}/orders`,\n  body: canonicalJson({ order: { type: 'MARKET', timeInForce: 'FOK', instrument: 'EUR_USD', units: units ?? '-1', positionFill: 'DEFAULT', clientExtensions: { id: tradeId } } }),",
  },
  {
    name: 'M19',
    what: 'a halt is kept in memory only',
    file: 'src/daemon/recovery.ts',
    from: '  for await (const { event, metadata } of eventsOf(store, known?.position)) state =',
    to: "  for await (const { event, metadata } of eventsOf(store, known?.position)) if (event.type !== 'TradingHalted') state =",
  },
  {
    name: 'M20',
    what: 'pauses of the streams are measured on the wall clock',
    file: 'src/daemon/feeds.ts',
    from: 'return Number(this.#parts.clock.monotonicNs() / 1_000_000n);',
    to: 'return this.#parts.clock.now();',
  },
  {
    name: 'M21',
    what: 'another daemon of a higher epoch is ignored',
    file: 'domain/desk/ledger-sync.ts',
    from: '} else if (epoch > draft.state.run.epoch) {',
    to: '} else if (epoch > draft.state.run.epoch + 1_000_000) {',
  },
  {
    name: 'M23',
    what: 'a part of a trade that closes counts as all of it',
    file: 'domain/ledger.ts',
    from: 'if (remaining === ZERO_UNITS) openTrades.delete(part.tradeID);',
    to: 'if (remaining === ZERO_UNITS || remaining !== ZERO_UNITS) openTrades.delete(part.tradeID);',
  },
  {
    name: 'M24',
    what: "the broker's margin closeout does not touch the ledger",
    file: 'domain/ledger.ts',
    from: "if (body.type !== 'ORDER_FILL') return ledger;\n  const openTrades",
    to: "if (body.type !== 'ORDER_FILL' || body.reason === 'MARKET_ORDER_MARGIN_CLOSEOUT') return ledger;\n  const openTrades",
  },
  {
    name: 'M24b',
    what: 'a margin closeout does not halt',
    file: 'domain/desk/ledger-sync.ts',
    from: "if (body.type.startsWith('MARGIN_CALL_E') || body.reason === 'MARKET_ORDER_MARGIN_CLOSEOUT') {",
    to: "if (body.type.startsWith('MARGIN_CALL_E')) {",
  },
  {
    name: 'D1',
    what: 'a timer waits for the wall clock though that was set back (found by seed, mended)',
    file: 'adapters/clock/system.ts',
    from: 'return () => Math.min(when - clock.now(), waitMs - Number(clock.monotonicNs() - startedNs) / 1_000_000);',
    to: 'return () => when - clock.now() + 0 * (waitMs + Number(startedNs));',
  },
  {
    name: 'D2',
    what: 'a stop lost for good is confirmed every two seconds (found by seed, mended)',
    file: 'domain/desk/reconcile.ts',
    from: 'else if (isStopUnderWay(draft)) draft.ask(',
    to: "else if (found.some(({ kind }) => RULES[kind].rule === 'recreateStop')) draft.ask(",
  },
  {
    name: 'D3',
    what: 'a crash within a step loses the halt that its transaction called for (found by seed, mended)',
    file: 'domain/desk/ledger-sync.ts',
    from: 'live.judgeAgainFrom !== null && transactionId >= live.judgeAgainFrom;',
    to: 'live.judgeAgainFrom !== null && transactionId > Infinity;',
  },
  {
    name: 'D4',
    what: 'a crash that keeps a review loses the halt behind it (found by seed, mended)',
    file: 'domain/desk/ledger-sync.ts',
    from: '// Told once; but a crash may have kept the review and lost the halt.',
    to: 'if (draft.state.unacknowledged.has(`transaction ${id}`)) return;',
  },
];

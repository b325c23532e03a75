/**
 * The shadow position of OBSERVING: what the policy's decisions would have done, filled at the next bar's open
 * on the proper side of the spread. It exists so that a policy can be watched before it is trusted; nothing of
 * it ever reaches the broker.
 */
import type { DomainEvent } from './events.ts';
import type { Excursion } from './excursion.ts';
import { extendExcursion, netPipsAt, startExcursion } from './excursion.ts';
import { add, price, ZERO_PIPS } from './money.ts';
import type { Pips } from './money.ts';
import type { Action } from './policy.ts';

export interface Shadow {
  /** Decided on the last bar, to be filled at the next open. */
  readonly wanted: Action;
  readonly position: Excursion | null;
  readonly closedPips: Pips;
  readonly closedTrades: number;
}

export const emptyShadow: Shadow = { wanted: 'HOLD', position: null, closedPips: ZERO_PIPS, closedTrades: 0 };

export interface ShadowRules {
  readonly pipLocation: number;
  readonly onOppositeSignal: 'close' | 'reverse';
}

export function evolveShadow(shadow: Shadow, event: DomainEvent, rules: ShadowRules): Shadow {
  switch (event.type) {
    case 'DecisionMade':
      return { ...shadow, wanted: event.data.mode === 'OBSERVING' ? event.data.action : 'HOLD' };
    case 'MarketBarClosed':
    case 'MarketBarBackfilled': {
      const filled = fillAtOpen(shadow, event.data.bid.open, event.data.ask.open, rules);
      if (filled.position === null) return filled;
      return { ...filled, position: extendExcursion(filled.position, price(event.data.bid.close), price(event.data.ask.close), rules.pipLocation) };
    }
    case 'TradingArmed':
    case 'TradingHalted':
    case 'TradingReducing':
      return { ...shadow, wanted: 'HOLD', position: null };
    default:
      return shadow;
  }
}

function fillAtOpen(shadow: Shadow, bidOpen: string, askOpen: string, rules: ShadowRules): Shadow {
  if (shadow.wanted === 'HOLD') return shadow;
  const [bid, ask] = [price(bidOpen), price(askOpen)];
  const side = shadow.wanted === 'BUY' ? 1 : shadow.wanted === 'SELL' ? -1 : 0;
  const idle = { ...shadow, wanted: 'HOLD' } as const;
  if (shadow.position !== null) {
    if (shadow.position.side === side) return idle;
    const gained = netPipsAt(shadow.position.side, shadow.position.entryPrice, bid, ask, rules.pipLocation);
    const closed = { ...idle, position: null, closedPips: add(shadow.closedPips, gained), closedTrades: shadow.closedTrades + 1 };
    return side === 0 || rules.onOppositeSignal === 'close' ? closed : { ...closed, position: startExcursion(side, side === 1 ? ask : bid) };
  }
  return side === 0 ? idle : { ...idle, position: startExcursion(side, side === 1 ? ask : bid) };
}

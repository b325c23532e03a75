/** Faults that happen at a moment: what others do to the account, and what becomes of the machine. */
import type { InstrumentName } from '../../domain/instruments.ts';
import { epochTag } from '../../domain/ids.ts';
import { DAY_MS, SECOND_MS } from '../../domain/time.ts';
import type { Draws } from './draws.ts';
import type { MomentFault } from './options.ts';
import type { World } from './world.ts';

const INSTRUMENT = 'EUR_USD' as InstrumentName;
const STALL_MS_MAX = 30 * SECOND_MS;

/** @returns whether anything could happen. */
export function happen(world: World, name: MomentFault, draws: Draws): boolean {
  const { venue, oracle } = world;
  const { venueActions } = venue.engine;
  const ours = [...oracle.trades.keys()].filter((trade) => !oracle.isForeign(trade));
  const order = (tag: string | null): void => {
    const extensions = tag === null ? {} : { clientExtensions: { tag } };
    world.foreign(() => venueActions.foreignOrder({ type: 'MARKET', instrument: INSTRUMENT, units: String(draws.pick([-5, -1, 1, 5])), timeInForce: 'FOK', positionFill: 'DEFAULT', ...extensions }, venue.now));
  };
  switch (name) {
    case 'streamCut':
      world.running?.cutStreams();
      return world.running !== null;
    case 'foreignTrade':
      order(null);
      return true;
    case 'usurper':
      order(epochTag(oracle.epoch + 1));
      return true;
    case 'manualClose':
      for (const trade of ours) world.foreign(() => venueActions.foreignTradeClose(trade, 'ALL', venue.now));
      return ours.length > 0;
    case 'stopCancelled':
      for (const trade of ours) world.foreign(() => venueActions.foreignTradeOrders(trade, { stopLoss: null }, venue.now));
      return ours.length > 0;
    case 'overFill':
      oracle.overFilled = true;
      venueActions.forceNextFill(INSTRUMENT, String(world.options.orderUnits + 2));
      return true;
    case 'marginCloseout':
      if (oracle.trades.size === 0) return false;
      world.foreign(() => venueActions.forceMarginCloseout(venue.now));
      return true;
    case 'transfer':
      world.foreign(() => venueActions.transferFunds(draws.pick(['-25', '100']), venue.now));
      return true;
    case 'clockJump':
      world.touched();
      world.machine.step(draws.pick([-1, 1]) * draws.spread(SECOND_MS, DAY_MS));
      return true;
    case 'stall':
      if (world.running === null) return false;
      world.running.heldUpUntil = world.now + draws.whole(0, STALL_MS_MAX);
      return true;
  }
}

/** Every read model, in the order in which a report would show them. */
import type { Projection } from '../domain/projection.ts';
import { account } from './account.ts';
import { barsDaily } from './bars-daily.ts';
import { dailyPnl } from './daily-pnl.ts';
import { decisionSkips, decisions } from './decisions.ts';
import { denials } from './denials.ts';
import { exposures } from './exposures.ts';
import { orders } from './orders.ts';
import { positions } from './positions.ts';
import { discrepancies, reconciliations } from './reconciliations.ts';
import { runs } from './runs.ts';
import { modeChanges, safety } from './safety.ts';
import { trades } from './trades.ts';

export const ALL_PROJECTIONS: readonly Projection[] = [
  account, positions, exposures, trades, dailyPnl, orders, denials, decisions, decisionSkips, barsDaily, reconciliations, discrepancies, safety, modeChanges, runs,
];

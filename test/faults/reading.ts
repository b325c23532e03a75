/** Reading what a drill came to: what was told of a type, when, and what the faults struck. */
import type { DataOf, EventType } from '../../domain/events.ts';
import type { DrillOutcome, FaultRecord } from './harness.ts';

/** Market times of day such as `13:06` or `13:06:30`; drills of more than a day give the date before it. */
interface Span {
  readonly from?: string;
  readonly until?: string;
}

interface Told<Type extends EventType> {
  /** Time of day to the second. */
  readonly at: string;
  readonly data: DataOf<Type>;
}

/** Everything that was told of a type from one time of day on and before another, in order. */
export const told = <Type extends EventType>({ log }: Pick<DrillOutcome, 'log'>, type: Type, { from = '', until = '~' }: Span = {}): readonly Told<Type>[] =>
  log.events.flatMap(({ event, metadata }) => {
    const at = metadata.occurredAt.slice(11, 19);
    return event.type === type && at >= from && at < until ? [{ at, data: event.data as DataOf<Type> }] : [];
  });

/** The orders of a leg that were meant. */
export const meant = (outcome: Pick<DrillOutcome, 'log'>, leg: 'open' | 'close', span: Span = {}): readonly Told<'OrderIntended'>[] => told(outcome, 'OrderIntended', span).filter(({ data }) => data.leg === leg);

/** The guards that denied opening orders, one for each denial. */
export const deniedBy = (outcome: Pick<DrillOutcome, 'log'>, span: Span = {}): readonly string[] => told(outcome, 'OrderDenied', span).map(({ data }) => data.guard);

export const haltCauses = (outcome: Pick<DrillOutcome, 'log'>): readonly string[] => told(outcome, 'TradingHalted').map(({ data }) => data.cause);

export const alertsOf = (outcome: Pick<DrillOutcome, 'log'>, code: string): readonly Told<'AlertRaised'>[] => told(outcome, 'AlertRaised').filter(({ data }) => data.code === code);

export const strikesOf = ({ faults }: Pick<DrillOutcome, 'faults'>): readonly FaultRecord[] => faults.filter(({ record }) => record === 'strike');

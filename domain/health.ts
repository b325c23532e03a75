/**
 * How a policy fares as a decider: whether it has collapsed into holding or into one action, whether numbers that are
 * none went in or came out, whether its decisions come in time. A fold of its decisions; a new model begins anew.
 */
import type { DomainEvent } from './events.ts';
import { ACTIONS } from './policy.ts';
import { emptyWindow, grownWindow } from './window.ts';

export interface HealthLimits {
  /** Decisions that are looked back on; fewer say nothing yet. */
  readonly decisionsWindow: number;
  /** A larger share of HOLD among them is a collapse. */
  readonly holdShareMax: number;
  /** A lower entropy of the actions among them, in bits (2 when all four are alike), is one too. */
  readonly actionEntropyBitsMin: number;
}

export interface Health {
  /** Whose decisions these are; null before any model was loaded. */
  readonly modelHash: string | null;
  /** The latest decisions that had a choice, as indices into ACTIONS, oldest first, as many as are looked back on. */
  readonly recent: Float64Array;
  /** Decisions that ever had one. */
  readonly seen: number;
  /** How often each action is among the latest. */
  readonly counts: readonly number[];
  /** What kept the newest bar from a decision: a number that is none, or that it came too late. */
  readonly trouble: 'nonFinite' | 'late' | null;
}

export const freshHealth: Health = { modelHash: null, recent: emptyWindow, seen: 0, counts: ACTIONS.map(() => 0), trouble: null };

export function evolveHealth(health: Health, event: DomainEvent, { decisionsWindow }: HealthLimits): Health {
  switch (event.type) {
    case 'ModelLoaded':
    case 'ModelSwapped':
      return event.data.modelHash === health.modelHash ? health : { ...freshHealth, modelHash: event.data.modelHash };
    case 'DecisionMade': {
      const settled = health.trouble === null ? health : { ...health, trouble: null };
      // Where holding alone was legal, nothing was chosen.
      return event.data.mask.filter((legal) => legal).length < 2 ? settled : counted(settled, ACTIONS.indexOf(event.data.action), decisionsWindow);
    }
    case 'DecisionSkipped': {
      const { reason } = event.data;
      return (reason === 'nonFinite' || reason === 'late') && health.trouble !== reason ? { ...health, trouble: reason } : health;
    }
    default:
      return health;
  }
}

function counted(health: Health, action: number, window: number): Health {
  const counts = [...health.counts];
  if (health.recent.length === window) counts[health.recent[0]!]! -= 1;
  counts[action]! += 1;
  return { ...health, recent: grownWindow(health.recent, action, window), seen: health.seen + 1, counts };
}

/** Share of HOLD among the latest decisions; null while there are too few. */
export const holdShare = ({ seen, counts }: Health, { decisionsWindow }: HealthLimits): number | null =>
  seen < decisionsWindow ? null : counts[0]! / decisionsWindow;

/** −Σ p·log2 p over the actions of the latest decisions, in bits; null while there are too few. */
export function actionEntropyBits({ seen, counts }: Health, { decisionsWindow }: HealthLimits): number | null {
  if (seen < decisionsWindow) return null;
  return counts.reduce((sum, count) => (count === 0 ? sum : sum - (count / decisionsWindow) * Math.log2(count / decisionsWindow)), 0);
}

interface Symptom {
  readonly code: string;
  readonly severity: 'critical' | 'warning';
  readonly shows: (health: Health, limits: HealthLimits) => boolean;
  readonly detail: (health: Health, limits: HealthLimits) => string;
}

const among = ({ decisionsWindow }: HealthLimits): string => `the last ${decisionsWindow} decisions`;

/** What may be amiss, each with its own code. */
const SYMPTOMS: readonly Symptom[] = [
  {
    code: 'holdCollapse', severity: 'warning',
    shows: (health, limits) => !((holdShare(health, limits) ?? 0) <= limits.holdShareMax),
    detail: (health, limits) => `${((holdShare(health, limits) ?? 0) * 100).toFixed(2)} % of ${among(limits)} are HOLD, ${limits.holdShareMax * 100} % allowed`,
  },
  {
    code: 'actionEntropyLow', severity: 'warning',
    shows: (health, limits) => !((actionEntropyBits(health, limits) ?? Infinity) >= limits.actionEntropyBitsMin),
    detail: (health, limits) => `the actions of ${among(limits)} have an entropy of ${(actionEntropyBits(health, limits) ?? 0).toFixed(4)} bits, at least ${limits.actionEntropyBitsMin} wanted`,
  },
  { code: 'nonFinite', severity: 'critical', shows: ({ trouble }) => trouble === 'nonFinite', detail: () => 'a number in the policy’s input or in a network’s output is not finite' },
  { code: 'decisionLate', severity: 'warning', shows: ({ trouble }) => trouble === 'late', detail: () => 'a decision came later than its bar allows' },
];

/** What is amiss. */
export const symptoms = (health: Health, limits: HealthLimits): readonly Symptom[] => SYMPTOMS.filter(({ shows }) => shows(health, limits));

/** An alert for each symptom that was not there before: a collapse that lasts is told once. */
export function healthAlerts(before: Health, after: Health, subject: string, limits: HealthLimits): readonly DomainEvent[] {
  if (before === after) return [];
  return symptoms(after, limits)
    .filter(({ shows }) => !shows(before, limits))
    .map(({ code, severity, detail }) => ({ type: 'AlertRaised', data: { code, severity, detail: `${subject}: ${detail(after, limits)}` } }));
}

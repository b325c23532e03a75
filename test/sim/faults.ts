/** The faults of one world: what strikes which request, line and append, and which spells are under way. All of them end at once with `stop`. */
import type { Replica } from '../../adapters/broker/faults/replica.ts';
import { Draws } from './draws.ts';
import type { FaultName, OrderFault, ReadFault, SimOptions, SpellFault } from './options.ts';
import { ORDER_FAULTS, READ_FAULTS } from './options.ts';
import type { AppendFault } from './store.ts';

const APPEND_FAULTS: readonly AppendFault[] = ['appendLost', 'appendUnacknowledged', 'noSpace', 'ioError'];

const LONG_STEP = 4;
const LONG_STEP_KILL_SHARE = 0.03;

export class Faults {
  readonly #rates: ReadonlyMap<FaultName, number>;
  readonly #draws: { readonly [purpose in 'orders' | 'reads' | 'lines' | 'appends' | 'kills']: Draws };
  readonly #spells = new Map<SpellFault, number>();
  /** How often each fault has struck. */
  readonly struck = new Map<FaultName, number>();
  /** What stale reads are answered from. */
  replica: Replica | null = null;
  /** I/O points until the process is killed; Infinity while it is not to be. */
  #pointsLeft = Infinity;
  #on = true;

  constructor({ seed, faults }: SimOptions) {
    this.#rates = faults;
    const purposes = ['orders', 'reads', 'lines', 'appends', 'kills'] as const;
    this.#draws = Object.fromEntries(purposes.map((purpose) => [purpose, new Draws(seed, purpose)])) as { readonly [purpose in (typeof purposes)[number]]: Draws };
    this.drawKill();
  }

  get on(): boolean {
    return this.#on;
  }

  rate(name: FaultName): number {
    return this.#on ? (this.#rates.get(name) ?? 0) : 0;
  }

  count(name: FaultName): void {
    this.struck.set(name, (this.struck.get(name) ?? 0) + 1);
  }

  stop(): void {
    this.#on = false;
    this.#spells.clear();
    this.replica = null;
    this.#pointsLeft = Infinity;
  }

  // --- spells ---

  begin(name: SpellFault, until: number): void {
    this.#spells.set(name, until);
    this.count(name);
  }

  during(name: SpellFault, now: number): boolean {
    const until = this.#spells.get(name);
    return until !== undefined && now < until;
  }

  // --- single strikes ---

  orderFault(): OrderFault | null {
    return this.#strike(ORDER_FAULTS, this.#draws.orders);
  }

  readFault(): ReadFault | null {
    return this.#strike(READ_FAULTS, this.#draws.reads);
  }

  appendFault(): AppendFault | null {
    return this.#strike(APPEND_FAULTS, this.#draws.appends);
  }

  lineFault(name: 'droppedLine' | 'duplicateLine' | 'lateLine'): boolean {
    const rate = this.rate(name);
    const strikes = rate > 0 && this.#draws.lines.chance(rate);
    if (strikes) this.count(name);
    return strikes;
  }

  #strike<Name extends FaultName>(names: readonly Name[], draws: Draws): Name | null {
    if (!this.#on) return null;
    for (const name of names) {
      const rate = this.#rates.get(name);
      if (rate === undefined || !draws.chance(rate)) continue;
      this.count(name);
      return name;
    }
    return null;
  }

  // --- the end of the process at an I/O point ---

  drawKill(): void {
    const rate = this.#rates.get('kill');
    // About 1,500 points an hour.
    this.#pointsLeft = rate === undefined || !this.#on ? Infinity : this.#draws.kills.whole(1, Math.round(3_000 / rate));
  }

  /** Is this the point at which the process ends? An append of a step that tells much is struck more often: most of it may be missing afterwards. */
  killsHere(events = 0): boolean {
    this.#pointsLeft -= 1;
    const strikesStep = events >= LONG_STEP && this.rate('kill') > 0 && this.#draws.kills.chance(LONG_STEP_KILL_SHARE);
    if (this.#pointsLeft > 0 && !strikesStep) return false;
    this.drawKill();
    this.count('kill');
    return true;
  }
}

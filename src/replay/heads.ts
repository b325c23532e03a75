/** The networks' heads as they come out now, beside the recorded ones. */
import { NonFiniteError } from '../../domain/policy.ts';
import type { Evaluator, Heads, LeafRequest } from '../../domain/policy.ts';
import type { Difference } from './differences.ts';

/** Another processor or runtime adds up in another order: so far apart may one number lie there, in pips or as a logit. */
export const HEADS_TOLERANCE = 1e-4;

export type HeadsVerdict = 'bit-exact' | 'within' | 'beyond';

/** The networks' part in one decision that is made again. */
export class HeadsComparison {
  /** Null once a network has failed: what follows would rest on its state. */
  #evaluator: Evaluator | null;
  #deviationMax = 0;
  #isBitExact = true;
  #beyond: Difference | null = null;

  constructor(evaluator: Evaluator) {
    this.#evaluator = evaluator;
  }

  /** Evaluates one leaf. The search goes on with the recorded numbers, the networks from their own state. */
  async ask(expansion: number, leaf: LeafRequest, recorded: Heads): Promise<Heads> {
    const fresh = await this.#evaluate(expansion, leaf);
    if (fresh === null) return recorded;
    this.#compareAll(expansion, recorded, fresh);
    return { ...recorded, state: fresh.state };
  }

  get verdict(): HeadsVerdict {
    return this.#beyond !== null ? 'beyond' : this.#isBitExact ? 'bit-exact' : 'within';
  }

  get deviationMax(): number {
    return this.#deviationMax;
  }

  /** The first number that lies too far off; null when none does. */
  get beyond(): Difference | null {
    return this.#beyond;
  }

  async #evaluate(expansion: number, leaf: LeafRequest): Promise<Heads | null> {
    try {
      return (await this.#evaluator?.evaluate(leaf)) ?? null;
    } catch (error) {
      if (!(error instanceof NonFiniteError)) throw error;
      this.#evaluator = null;
      this.#part(`search.heads[${expansion}]`, 'finite numbers', error.message);
      return null;
    }
  }

  #compareAll(expansion: number, recorded: Heads, fresh: Heads): void {
    const field = `search.heads[${expansion}]`;
    if (recorded.logits.length !== fresh.logits.length) return this.#part(`${field}.logits`, `${recorded.logits.length} of them`, `${fresh.logits.length} of them`);
    this.#compare(`${field}.value`, recorded.value, fresh.value);
    this.#compare(`${field}.reward`, recorded.reward, fresh.reward);
    for (const [index, logit] of recorded.logits.entries()) this.#compare(`${field}.logits[${index}]`, logit, fresh.logits[index]!);
  }

  /** Two zeros of different sign have different bits. */
  #compare(field: string, recorded: number, fresh: number): void {
    if (Object.is(recorded, fresh)) return;
    this.#isBitExact = false;
    const deviation = Math.abs(recorded - fresh);
    this.#deviationMax = Math.max(this.#deviationMax, deviation);
    if (!(deviation <= HEADS_TOLERANCE)) this.#part(field, String(recorded), String(fresh));
  }

  #part(field: string, recorded: string, recomputed: string): void {
    this.#beyond ??= { field, recorded, recomputed };
  }
}

/** The operator: looks in now and then, brings the daemon back to trading, and sometimes says something out of the blue. */
import type { OperatorCommand } from '../../domain/safety.ts';
import type { Draws } from './draws.ts';
import type { World } from './world.ts';

const OUT_OF_THE_BLUE = ['halt', 'resume', 'disarm', 'arm', 'reconcile'] as const;

export class Operator {
  readonly #world: World;
  readonly #draws: Draws;

  constructor(world: World, draws: Draws) {
    this.#world = world;
    this.#draws = draws;
  }

  begin(): void {
    this.#world.scheduler.after(this.#draws.whole(1_000, this.#world.options.operatorMs), null, () => {
      if (!this.#world.faults.on) return;
      this.#look();
      this.begin();
    });
  }

  #look(): void {
    const { running } = this.#world;
    const state = running?.state ?? null;
    if (running === null || state === null || !running.alive) return;
    if (this.#draws.chance(0.01)) return running.stop();
    if (this.#draws.chance(0.06)) return this.#say({ verb: this.#draws.pick(OUT_OF_THE_BLUE) });
    if (state.unacknowledged.size > 0) {
      const [subject, id] = [...state.unacknowledged][0]!.split(' ') as ['trade' | 'transaction', string];
      return this.#say({ verb: 'acknowledge', subject, id });
    }
    if (state.safety.mode === 'HALTED') return this.#say({ verb: 'resume' });
    if (state.safety.mode === 'OBSERVING') return this.#say({ verb: 'arm' });
  }

  #say(command: { readonly verb: 'arm' | 'disarm' | 'halt' | 'resume' | 'reconcile' } | { readonly verb: 'acknowledge'; readonly subject: 'trade' | 'transaction'; readonly id: string }): void {
    const spoken: OperatorCommand = { ...command, operator: 'sim', reason: 'a simulation' };
    this.#world.trace(`operator: ${command.verb}`);
    this.#world.running?.command(spoken);
  }
}

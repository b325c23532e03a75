import { describe, expect, test } from 'vitest';
import type { RunFacts, SwapCommand } from '../../domain/desk/inputs.ts';
import { DeskHarness, proposing } from './desk-harness.ts';
import { RUN } from './settings.ts';

const FORMER: Partial<RunFacts> = { policyName: 'muzero', modelHash: 'a'.repeat(64), modelLabel: 'former', featureSetId: 'swt-137' };
const NEW = { modelHash: 'b'.repeat(64), modelLabel: 'new', featureSetId: 'swt-137', trained: true };
const SWAP: SwapCommand = { operator: 'mara', reason: 'retrained on the winter', directory: '/models/new' };

function started(run: Partial<RunFacts> = FORMER): DeskHarness {
  const desk = new DeskHarness();
  desk.start(run);
  desk.command('arm');
  desk.advanceMinutes(5);
  return desk;
}
const ask = (desk: DeskHarness, command: Partial<SwapCommand> = {}): void => desk.give({ kind: 'swapModel', commandId: 77, command: { ...SWAP, ...command } });

/** An operator swaps the model, and it passes its checks. */
function swap(desk: DeskHarness): void {
  ask(desk);
  desk.give({ kind: 'modelVerified', verdict: { ok: true } });
  desk.give({ kind: 'modelAdopted', model: NEW });
}

describe('another model', () => {
  test('is verified first and takes over as an event; decisions cite the model that made them', () => {
    const desk = started();
    ask(desk);
    expect([desk.verifications, desk.adoptions, desk.told('ModelSwapped')]).toEqual([['/models/new'], 0, []]);
    desk.advanceMinutes(2);
    desk.give({ kind: 'modelVerified', verdict: { ok: true } });
    expect([desk.adoptions, desk.told('ModelSwapped')]).toEqual([1, []]);
    const before = desk.told('DecisionMade').length;
    desk.give({ kind: 'modelAdopted', model: NEW });
    expect(desk.told('ModelSwapped')).toEqual([{ ...SWAP, formerModelHash: FORMER.modelHash, ...NEW }]);
    expect(desk.replies.at(-1)).toEqual({ accepted: true, message: expect.stringContaining('new decides in place of former') as string });
    desk.advanceMinutes(3);
    const decisions = desk.told('DecisionMade');
    expect(new Set(decisions.slice(0, before).map(({ modelHash, modelLabel }) => `${modelLabel} ${modelHash}`))).toEqual(new Set([`former ${FORMER.modelHash}`]));
    expect(new Set(decisions.slice(before).map(({ modelHash, modelLabel }) => `${modelLabel} ${modelHash}`))).toEqual(new Set([`new ${NEW.modelHash}`]));
    expect(decisions.length).toBeGreaterThan(before);
    expect(desk.mode).toBe('ARMED');
    // Who, and within which command.
    const told = desk.emissions.filter(({ event }) => event.type === 'ModelSwapped' || (event.type === 'ControlAccess' && event.data.verb === 'swap-model'));
    expect(told.map(({ actor, correlationId }) => [actor, correlationId])).toEqual([['operator mara', 'run 1: command 77'], ['operator mara', 'run 1: command 77']]);
  });

  test('that was asked while the former deliberates leaves that decision to the former', () => {
    const desk = started();
    desk.policy = null;
    ask(desk);
    desk.give({ kind: 'modelVerified', verdict: { ok: true } });
    desk.advanceMinutes(1);
    desk.answerConsultation(proposing('HOLD'));
    desk.give({ kind: 'modelAdopted', model: NEW });
    expect(desk.told('DecisionMade').at(-1)).toMatchObject({ modelHash: FORMER.modelHash });
    expect(desk.story().slice(-2)).toEqual(['DecisionMade', 'ModelSwapped']);
  });

  test('that fails a check leaves the former one, with the reason told to the log and to the operator', () => {
    const desk = started();
    ask(desk);
    desk.give({ kind: 'modelVerified', verdict: { ok: false, check: 'files', detail: 'initial_inference.onnx hashes to 00' } });
    expect(desk.told('ModelRejected')).toEqual([{ check: 'files', detail: '/models/new: initial_inference.onnx hashes to 00' }]);
    expect([desk.adoptions, desk.told('ModelSwapped'), desk.mode]).toEqual([0, [], 'ARMED']);
    expect(desk.replies.at(-1)).toEqual({ accepted: false, message: 'refused by check files: initial_inference.onnx hashes to 00; former goes on deciding' });
    desk.advanceMinutes(1);
    expect(desk.told('DecisionMade').at(-1)).toMatchObject({ modelHash: FORMER.modelHash });
    // The way is free for the next one.
    swap(desk);
    expect(desk.told('ModelSwapped')).toHaveLength(1);
  });

  test.each<[string, Partial<SwapCommand>, RegExp]>([
    ['nobody', { operator: '' }, /an operator name is needed/],
    ['no reason', { reason: ' ' }, /a reason is needed/],
  ])('wanted by %s is refused, and the attempt recorded', (_name, command, message) => {
    const desk = started();
    ask(desk, command);
    expect(desk.replies.at(-1)).toMatchObject({ accepted: false, message: expect.stringMatching(message) as string });
    expect(desk.told('ControlAccess').at(-1)).toMatchObject({ verb: 'swap-model', outcome: expect.stringMatching(message) as string });
    expect(desk.verifications).toEqual([]);
  });

  test('is refused before the daemon is ready, for a policy without one, and while another is being verified', () => {
    const early = new DeskHarness();
    early.feed({ kind: 'start', run: { ...RUN, ...FORMER } });
    early.feed({ kind: 'swapModel', commandId: 1, command: SWAP });
    expect(early.replies.at(-1)).toMatchObject({ accepted: false, message: expect.stringContaining('not ready') as string });
    const baseline = started({ policyName: 'sma-cross' });
    ask(baseline);
    expect(baseline.replies.at(-1)).toMatchObject({ accepted: false, message: 'policy sma-cross runs no model: configure muzero and start again' });
    const busy = started();
    ask(busy);
    ask(busy, { directory: '/models/third' });
    expect(busy.replies.at(-1)).toMatchObject({ accepted: false, message: 'the model in /models/new is being verified: wait for its outcome' });
    expect([early, baseline, busy].map(({ verifications }) => verifications)).toEqual([[], [], ['/models/new']]);
  });

  test('can replace a faulty one while halted', () => {
    const desk = started();
    desk.command('halt');
    swap(desk);
    expect(desk.told('ModelSwapped')).toHaveLength(1);
    expect(desk.mode).toBe('HALTED');
  });

  test('that nobody has asked for breaks an invariant', () => {
    const desk = started();
    expect(() => desk.give({ kind: 'modelVerified', verdict: { ok: true } })).toThrow('a model was verified that nobody has asked for');
    expect(() => desk.give({ kind: 'modelAdopted', model: NEW })).toThrow('a model was verified that nobody has asked for');
  });
});

describe('a restart after a swap', () => {
  test('with the model that took over comes back armed', () => {
    const desk = started();
    swap(desk);
    desk.crashAndRestart(1_000, { ...FORMER, ...NEW });
    expect(desk.mode).toBe('ARMED');
  });

  test('with the configured model, which is another one, does not come back armed, also at once after the swap', () => {
    for (const minutes of [0, 3]) {
      const desk = started();
      swap(desk);
      desk.advanceMinutes(minutes);
      desk.crashAndRestart(1_000, FORMER);
      expect(desk.mode).toBe('OBSERVING');
      expect(desk.told('TradingObserving').at(-1)?.cause).toBe('restart: build, configuration or model changed');
    }
  });

  test('back to the configured model that was rejected changes nothing', () => {
    const desk = started();
    ask(desk);
    desk.give({ kind: 'modelVerified', verdict: { ok: false, check: 'files', detail: 'x' } });
    desk.crashAndRestart(1_000, FORMER);
    expect(desk.mode).toBe('ARMED');
  });
});

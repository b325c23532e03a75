/** What an emergency close leaves on the disk, as the daemon finds it: the HALT file and the record. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { readEmergencyRecords } from '../../../adapters/control/emergency-record.ts';
import { haltFileIn } from '../../../adapters/control/halt-file.ts';

let [first, second] = ['', ''];
beforeEach(() => {
  const directory = mkdtempSync(join(tmpdir(), 'rk-'));
  [first, second] = [join(directory, 'first'), join(directory, 'second')];
  mkdirSync(first);
  mkdirSync(second);
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
});

describe('the HALT file', () => {
  test('is found in either directory, is told on one line, and is removed wherever it is', () => {
    const file = haltFileIn([first, second, first]);
    expect(file.find()).toBeNull();
    writeFileSync(join(second, 'HALT'), 'stop\u0007\nforged line\n');
    expect(file.find()).toBe(`${join(second, 'HALT')} is there: stop forged line`);
    writeFileSync(join(first, 'HALT'), '');
    expect(file.remove()).toBeNull();
    expect(file.find()).toBeNull();
    expect(file.remove()).toBeNull();
  });

  test('halts by its presence alone, whatever it is', () => {
    symlinkSync('/nowhere', join(first, 'HALT'));
    mkdirSync(join(second, 'HALT'));
    expect(haltFileIn([first]).find()).toContain('it cannot be read: ENOENT');
    expect(haltFileIn([second]).find()).toContain('it cannot be read: EISDIR');
    expect(haltFileIn([second]).remove()).toContain('remove it by hand, then resume');
  });

  test.skipIf(process.getuid?.() === 0)('halts where it cannot be looked for', () => {
    chmodSync(first, 0o000);
    expect(haltFileIn([first]).find()).toContain('cannot be looked for (EACCES)');
    chmodSync(first, 0o700);
  });

  test('is missing where its directory is', () => {
    expect(haltFileIn([join(first, 'none')]).find()).toBeNull();
  });
});

const RUN_ID = '192b49bf-2bf2-4717-8892-fc95432cda0b';
const text = (n: number, kind: string, more: object = {}): string => JSON.stringify({ v: 1, run: RUN_ID, n, at: '2026-01-06T15:00:00.123Z', kind, ...more });
const NAME = 'emergency-20260106T150000Z-192b49bf.jsonl';

describe('the record of an emergency close', () => {
  test('is read line by line, verbatim, with the transactions that are laid to the tool', () => {
    const lines = [text(0, 'started', { operator: 'ada' }), text(1, 'answer', { transactionIds: ['7', '8'] }), text(2, 'transaction', { id: '8', byUs: true }), text(3, 'transaction', { id: '9', byUs: false })];
    writeFileSync(join(first, NAME), `${lines.join('\n')}\n`);
    expect(readEmergencyRecords([first, second, join(first, 'none')])).toEqual({
      unreadable: [],
      lines: lines.map((line, step) => ({ runId: RUN_ID, step, at: '2026-01-06T15:00:00.123Z', kind: ['started', 'answer', 'transaction', 'transaction'][step], transactionIds: [[], ['7', '8'], ['8'], []][step], line })),
    });
  });

  test('ends before a line that was being written', () => {
    writeFileSync(join(first, NAME), `${text(0, 'started')}\n${text(1, 'answer').slice(0, 40)}`);
    expect(readEmergencyRecords([first])).toMatchObject({ lines: [{ step: 0 }], unreadable: [] });
  });

  test('that holds something else is named and left out, line by line and as a whole', () => {
    writeFileSync(join(first, NAME), ['no json', text(0, 'started'), '{"v":2}', text(-1, 'x'), text(1, 'answer', { transactionIds: ['x'] })].join('\n').concat('\n'));
    mkdirSync(join(first, 'emergency-directory.jsonl'));
    writeFileSync(join(first, 'emergency-..jsonl'), text(5, 'started'));
    const { lines, unreadable } = readEmergencyRecords([first]);
    expect(lines.map(({ step }) => step)).toEqual([0]);
    expect(unreadable).toHaveLength(5);
    expect(unreadable.join()).toContain('EISDIR');
  });
});

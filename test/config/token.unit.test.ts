import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { TokenError, readToken } from '../../config/token.ts';
import { folderForFile } from '../folders.ts';

const directory = folderForFile();

const CANARY = 'canary0123456789';
const write = (name: string, text: string, mode: number): string => {
  const file = join(directory, name);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
};
const failure = (path: string, credentials?: string): string => {
  try {
    readToken(path, credentials);
  } catch (error) {
    if (error instanceof TokenError) return error.message;
    throw error;
  }
  throw new Error('the token was accepted');
};

describe('reading the token', () => {
  test('gives the file’s one line without its line end', () => {
    expect(readToken(write('good', `${CANARY}\n`, 0o600))).toBe(CANARY);
    expect(readToken(write('read-only', CANARY, 0o400))).toBe(CANARY);
  });

  test.each([0o604, 0o640, 0o660, 0o666, 0o601])('refuses mode %o and says how to mend it, without showing the token', (mode) => {
    const message = failure(write(`mode-${mode}`, CANARY, mode));
    expect(message).toMatch(/has mode 06\d\d, so others can reach it; run chmod 600/);
    expect(message).not.toContain(CANARY);
  });

  test('accepts the group bit that systemd’s access list leaves, in its credentials directory alone', () => {
    const file = write('credential', CANARY, 0o440);
    expect(readToken(file, directory)).toBe(CANARY);
    expect(failure(file)).toMatch(/mode 0440/);
    mkdirSync(join(directory, 'elsewhere'));
    expect(failure(file, join(directory, 'elsewhere'))).toMatch(/mode 0440/);
    expect(failure(write('credential-world', CANARY, 0o444), directory)).toMatch(/mode 0444/);
  });

  test.each([
    ['no file', () => join(directory, 'missing'), /cannot be opened \(ENOENT\)/],
    ['a directory', () => directory, /is not a regular file/],
    ['an empty file', () => write('empty', ' \n', 0o600), /does not hold one line/],
    ['two lines', () => write('two', `${CANARY}\n${CANARY}\n`, 0o600), /does not hold one line/],
    ['more than 4 KiB', () => write('long', 'x'.repeat(4097), 0o600), /has 4097 bytes/],
  ])('refuses %s', (_name, make, message) => {
    const said = failure(make());
    expect(said).toMatch(message);
    expect(said).not.toContain(CANARY);
  });
});

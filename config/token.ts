/** Reading the API token: from a file that nobody else can read, never from an argument or a variable. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const TOKEN_BYTES_MAX = 4_096;
/** Header-safe: visible ASCII. */
const TOKEN_PATTERN = /^[\x21-\x7e]{8,}$/;

/** The message names the file and the remedy, never any part of what the file holds. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}

/**
 * systemd hands credentials over in a directory of their own. Where its file system knows access lists, the
 * service's right to read shows up as the group bit of the mode (the list's mask), though no group can read it.
 */
function forbiddenBits(path: string, credentialsDirectory: string | undefined): number {
  return credentialsDirectory !== undefined && dirname(resolve(path)) === resolve(credentialsDirectory) ? 0o037 : 0o077;
}

/**
 * @param credentialsDirectory systemd's `$CREDENTIALS_DIRECTORY`, when the daemon was started with one.
 * @throws TokenError when the file is missing, readable by others, longer than 4 KiB, or holds no token.
 */
export function readToken(path: string, credentialsDirectory?: string): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    throw new TokenError(`${path}: the token file cannot be opened (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}); create it with mode 0600 or correct broker.tokenFile`);
  }
  try {
    const { mode, size } = fstatSync(descriptor);
    if ((mode & 0o170000) !== 0o100000) throw new TokenError(`${path}: the token file is not a regular file; correct broker.tokenFile`);
    if ((mode & forbiddenBits(path, credentialsDirectory)) !== 0) {
      throw new TokenError(`${path}: the token file has mode ${(mode & 0o777).toString(8).padStart(4, '0')}, so others can reach it; run chmod 600 on it and rotate the token`);
    }
    if (size > TOKEN_BYTES_MAX) throw new TokenError(`${path}: the token file has ${size} bytes, at most ${TOKEN_BYTES_MAX} are read; put the token there alone`);
    const bytes = Buffer.alloc(TOKEN_BYTES_MAX + 1);
    const token = bytes.toString('latin1', 0, readSync(descriptor, bytes)).trim();
    bytes.fill(0);
    if (!TOKEN_PATTERN.test(token)) throw new TokenError(`${path}: the token file does not hold one line of visible characters; put the token there alone`);
    return token;
  } finally {
    closeSync(descriptor);
  }
}

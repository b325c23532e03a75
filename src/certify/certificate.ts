/**
 * The certificate of a practice account: what its broker was seen to do, every exchange that shows it, and a signature.
 *
 * The signature is Ed25519 over the canonical JSON of everything else in the file. The public key is in the file; whose
 * it is, its fingerprint says, which an operator compares with the one that the key's owner has.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Json } from '../../domain/canonical.ts';
import { canonicalJson } from '../../domain/canonical.ts';
import { VERDICTS } from './experiment.ts';
import { recordedExchangeSchema } from './probe.ts';
import { writeWhole } from '../whole-file.ts';

const contentSchema = z.strictObject({
  format: z.literal('reckoner-certificate/1'),
  build: z.string(),
  environment: z.enum(['practice', 'local']),
  accountId: z.string(),
  instrument: z.string(),
  startedAt: z.string(),
  endedAt: z.string(),
  experiments: z.array(
    z.strictObject({
      id: z.string(),
      question: z.string(),
      expected: z.string(),
      verdict: z.enum(VERDICTS),
      observed: z.string(),
      switches: z.record(z.string(), z.union([z.string(), z.int(), z.boolean()])),
    }),
  ),
  exchanges: z.array(recordedExchangeSchema),
  publicKey: z.string(),
});
const certificateSchema = contentSchema.extend({ signature: z.string() });

export type CertificateContent = Omit<z.infer<typeof contentSchema>, 'format' | 'publicKey'>;
export type Certificate = z.infer<typeof certificateSchema>;
type Switches = Certificate['experiments'][number]['switches'];

/** The message names the file and the remedy. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}

/** The signing key in a file, made with mode 0600 when there is none. @throws CertificateError when others can read it. */
export function signingKey(file: string): KeyObject {
  try {
    const { privateKey } = generateKeyPairSync('ed25519');
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { flag: 'wx', mode: 0o600 });
    return privateKey;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw new CertificateError(`${file}: the signing key cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}); name a place for it with --key`);
  }
  const descriptor = openSync(file, 'r');
  try {
    if ((fstatSync(descriptor).mode & 0o077) !== 0) throw new CertificateError(`${file}: others can read the signing key; run chmod 600 on it, or remove it to have a new one made`);
    return createPrivateKey(readFileSync(descriptor, 'utf8'));
  } catch (error) {
    if (error instanceof CertificateError) throw error;
    throw new CertificateError(`${file}: there is no private key in PEM form in it; name another file with --key`);
  } finally {
    closeSync(descriptor);
  }
}

const publicKeyText = (key: KeyObject): string => createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64');
const signedBytes = (content: Omit<Certificate, 'signature'>): Buffer => Buffer.from(canonicalJson(content as Json), 'utf8');

/** Hex SHA-256 of the public key in the certificate. */
export const fingerprintOf = (certificate: Certificate): string => createHash('sha256').update(Buffer.from(certificate.publicKey, 'base64')).digest('hex');

export function signCertificate(content: CertificateContent, key: KeyObject): Certificate {
  const whole = { format: 'reckoner-certificate/1' as const, ...content, publicKey: publicKeyText(key) };
  return { ...whole, signature: sign(null, signedBytes(whole), key).toString('base64') };
}

export const writeCertificate = (file: string, certificate: Certificate): void => writeWhole(file, `${JSON.stringify(certificate, null, 2)}\n`);

/** Reads a certificate and checks its signature. @throws CertificateError */
export function readCertificate(file: string): Certificate {
  let parsed: ReturnType<typeof certificateSchema.safeParse>;
  try {
    parsed = certificateSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new CertificateError(`${file}: the certificate cannot be read (${error instanceof SyntaxError ? 'no JSON' : ((error as NodeJS.ErrnoException).code ?? 'unknown error')}); make one with \`reckoner certify\``);
  }
  if (!parsed.success) throw new CertificateError(`${file}: this is no certificate of this release: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`);
  const { signature, ...content } = parsed.data;
  if (!isSignedBy(content, signature)) throw new CertificateError(`${file}: the signature does not fit what the certificate says; make a new one with \`reckoner certify\``);
  return parsed.data;
}

function isSignedBy(content: Omit<Certificate, 'signature'>, signature: string): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(content.publicKey, 'base64'), type: 'spki', format: 'der' });
    return key.asymmetricKeyType === 'ed25519' && verify(null, signedBytes(content), key, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}

/** What the local broker must be set to, to behave as the certified one; a later experiment has the last word. */
export const switchesOf = (certificate: Certificate): Switches => Object.assign({}, ...certificate.experiments.map(({ switches }) => switches)) as Switches;

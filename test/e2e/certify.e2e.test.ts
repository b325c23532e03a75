/**
 * `reckoner certify` against the local broker: what it says of a broker as expected, of one with switches turned, and of a
 * certificate that somebody has changed.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Outcome } from './processes.ts';
import { Workplace } from './processes.ts';

const reportSchema = z.object({
  key: z.string().regex(/^[0-9a-f]{64}$/),
  experiments: z.array(z.object({ id: z.string(), verdict: z.string(), observed: z.string() })),
  switches: z.record(z.string(), z.union([z.string(), z.number()])),
});

const CONFIG = ['--config', join(import.meta.dirname, '../../config/profiles/demo.yaml')];
const REALTIME = { 'calendar.alwaysOpen': 'true', 'broker.clock': 'system' } as const;

interface Place {
  readonly place: Workplace;
  readonly certificate: string;
  readonly certify: (experiments: string, more?: readonly string[]) => Promise<Outcome>;
}

async function placeWith(switches: readonly string[]): Promise<Place> {
  const place = new Workplace();
  const broker = await place.startBroker(['--always-open', ...switches.flatMap((each) => ['--switch', each])]);
  const certificate = join(place.directory, 'certificate.json');
  return {
    place,
    certificate,
    certify: (experiments, more = ['--practice', '--yes']) =>
      place.command(['certify', ...CONFIG, '--json', '--only', experiments, '--out', certificate, '--key', join(place.directory, 'key.pem'), ...more], REALTIME, broker.address),
  };
}

/** What stands in for the human at the broker's page, with or without the streams' end. */
async function revoke(place: Workplace, rest: string, faults: readonly object[]): Promise<void> {
  for (const fault of faults) {
    const reply = await fetch(`${rest}/faults`, { method: 'POST', headers: { 'authorization': `Bearer ${place.token}`, 'content-type': 'application/json' }, body: JSON.stringify(fault) });
    expect(reply.status, await reply.text()).toBe(200);
  }
}

describe('certify --await-revocation', () => {
  const ENDING = [{ preset: 'tokenRevoked' }, { kind: 'cutStream' }];

  test.each([
    ['outlive it', [{ preset: 'tokenRevoked' }], 'asExpected', /status 401.*the pricing stream was open \d.* later; the transactions stream was open .*; a new stream was refused/, 0],
    ['end with it', ENDING, 'asExpected', /the pricing stream ended .*; the transactions stream ended .*; a new stream was refused/, 0],
    ['outlive a refusal that the daemon would not understand', [{ kind: 'status', status: '404', durationMs: '600000' }], 'unsafe', /status 404/, 1],
  ])('asks for the token to be revoked, and tells of streams that %s', async (_what, faults, verdict, observed, code) => {
    const place = new Workplace();
    const broker = await place.startBroker(['--always-open']);
    const certificate = join(place.directory, 'certificate.json');
    const child = place.start(['certify', ...CONFIG, '--json', '--practice', '--yes', '--only', 'tokenRevocation', '--await-revocation', '0.4', '--out', certificate], REALTIME, broker.address);
    await child.line('revoke the token');
    await revoke(place, broker.address.rest, faults);
    const outcome = await child.ended;
    expect(outcome.code, outcome.stderr).toBe(code);
    const [found] = reportSchema.parse(JSON.parse(outcome.stdout)).experiments;
    expect(found).toMatchObject({ id: 'tokenRevocation', verdict, observed: expect.stringMatching(observed) as string });
    expect(readFileSync(certificate, 'utf8')).not.toContain(place.token);
  });

  test('is inconclusive when nobody revokes it, and is no experiment unless it is asked for', async () => {
    const { certify } = await placeWith([]);
    const outcome = await certify('tokenRevocation', ['--practice', '--yes', '--await-revocation', '0.05']);
    expect(outcome).toMatchObject({ code: 75, stdout: expect.stringContaining('no read was refused') as string });
    expect(await certify('tokenRevocation')).toMatchObject({ code: 64, stderr: expect.stringContaining('there is no experiment "tokenRevocation"') as string });
    expect(await certify('tokenRevocation', ['--practice', '--yes', '--await-revocation', '90'])).toMatchObject({ code: 64, stderr: expect.stringContaining('give minutes') as string });
  });
});

const verdicts = ({ stdout }: Outcome): { readonly [id: string]: string } => Object.fromEntries(reportSchema.parse(JSON.parse(stdout)).experiments.map(({ id, verdict }) => [id, verdict]));

describe('certify', () => {
  test('finds the local broker as expected, leaves nothing on its account, and signs what it saw', async () => {
    const { place, certificate, certify } = await placeWith([]);
    const all = 'slotLock,slotLockAtOnce,slotReuse,sameOrderId,requestIdHeader,pendingOrderId,limitEntry,goodTill,reduceOnlyFlat,reduceOnlyLarger,closeTwice,dependents,youngestFirst,positionCloseFlat,bothSides,closedMarket,readAfterWrite,rateLimit';
    const outcome = await certify(all);
    expect(outcome.code, outcome.stderr).toBe(0);
    expect(verdicts(outcome)).toEqual(Object.fromEntries(all.split(',').map((id) => [id, id === 'closedMarket' ? 'skipped' : 'asExpected'])));
    expect(statSync(join(place.directory, 'key.pem')).mode & 0o777).toBe(0o600);
    // The account is empty again, or the next run would be refused.
    expect((await certify('positionCloseFlat')).code).toBe(0);
    const text = readFileSync(certificate, 'utf8');
    expect(text).toContain('CLOSEOUT_POSITION_DOESNT_EXIST');
    expect(text).not.toContain(place.token);
    const check = await place.command(['certify', '--check', certificate, '--json'], {}, null);
    expect(reportSchema.parse(JSON.parse(check.stdout)).switches).toEqual({ missingPositionStatus: '404 when flat' });
  });

  test('says what differs when a switch is turned, and that a slot which does not lock is unsafe', async () => {
    const { place, certificate, certify } = await placeWith(['slotTaken=ignore', 'duplicateOrderId=accept', 'nothingToReduce=reject', 'tradeCloseOrder=oldest first', 'missingPositionStatus=400', 'bothSidesAll=held side']);
    const outcome = await certify('slotLock,pendingOrderId,reduceOnlyFlat,youngestFirst,positionCloseFlat,bothSides');
    expect(outcome.code, outcome.stderr).toBe(1);
    expect(verdicts(outcome)).toEqual({ slotLock: 'unsafe', pendingOrderId: 'differs', reduceOnlyFlat: 'differs', youngestFirst: 'differs', positionCloseFlat: 'asExpected', bothSides: 'differs' });
    const twin = await place.startBroker(['--always-open', '--certificate', certificate]);
    expect(twin.hasEnded).toBe(false);
    const { switches } = reportSchema.parse(JSON.parse(outcome.stdout));
    expect(switches).toEqual({ slotTaken: 'ignore', duplicateOrderId: 'accept', nothingToReduce: 'reject', tradeCloseOrder: 'oldest first', missingPositionStatus: '400', bothSidesAll: 'held side' });
  });

  test('asks before it trades, refuses a live account, and a certificate that was changed', async () => {
    const { place, certificate, certify } = await placeWith([]);
    expect(await certify('positionCloseFlat', [])).toMatchObject({ code: 64, stderr: expect.stringContaining('add --practice') as string });
    expect(await certify('positionCloseFlat', ['--practice'])).toMatchObject({ code: 64, stderr: expect.stringContaining('add --yes') as string });
    expect(await certify('noSuchThing')).toMatchObject({ code: 64, stderr: expect.stringContaining('there is no experiment "noSuchThing"') as string });
    await certify('positionCloseFlat');
    writeFileSync(certificate, readFileSync(certificate, 'utf8').replace('"asExpected"', '"differs"'));
    expect(await place.command(['certify', '--check', certificate], {}, null)).toMatchObject({ code: 78, stderr: expect.stringContaining('the signature does not fit') as string });
  });
});

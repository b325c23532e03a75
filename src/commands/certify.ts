/**
 * `reckoner certify`: asks a practice account the questions that only an account can answer, with orders of the least
 * size, and writes what it saw into a signed certificate.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SystemClock } from '../../adapters/clock/system.ts';
import { DaemonNotRunningError, fetchStatus } from '../../adapters/control/client.ts';
import { createOandaBroker } from '../../adapters/oanda/client.ts';
import { ConnectPacer } from '../../adapters/oanda/governor.ts';
import { brokerOrigins } from '../../adapters/oanda/hosts.ts';
import { createPool } from '../../adapters/oanda/http.ts';
import type { Config } from '../../config/config.ts';
import { readToken } from '../../config/token.ts';
import type { Broker } from '../../domain/broker.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Instrument } from '../../domain/instruments.ts';
import { formatInstant } from '../../domain/time.ts';
import type { Certificate } from '../certify/certificate.ts';
import { fingerprintOf, readCertificate, signCertificate, signingKey, switchesOf, writeCertificate } from '../certify/certificate.ts';
import { closingExperiments } from '../certify/closing.ts';
import type { Experiment } from '../certify/experiment.ts';
import { openingExperiments } from '../certify/opening.ts';
import { Probe } from '../certify/probe.ts';
import { readingExperiments } from '../certify/reading.ts';
import { REVOCATION_MINUTES_MAX, tokenRevocation } from '../certify/revocation.ts';
import { runExperiments } from '../certify/run.ts';
import { EXIT } from '../daemon/runtime.ts';
import type { ConfigOption } from './common.ts';
import { BUILD, load, say, sayJson, table, UsageError, warn } from './common.ts';
import { confirmed } from './operate.ts';

export interface CertifyOptions extends ConfigOption {
  readonly practice: boolean;
  readonly check?: string;
  readonly instrument?: string;
  readonly out?: string;
  readonly key?: string;
  readonly only?: string;
  /** Minutes that a human has to revoke the token. */
  readonly awaitRevocation?: string;
  readonly yes: boolean;
  readonly json: boolean;
}

export async function certify(options: CertifyOptions): Promise<number> {
  if (options.check !== undefined) return report(readCertificate(options.check), options.json);
  if (!options.practice) throw new UsageError('certify sends orders: add --practice to let it trade the configured practice account, or --check FILE to read a certificate');
  const revocation = options.awaitRevocation === undefined ? null : minutesOf(options.awaitRevocation);
  const { config } = load(options);
  if (config.broker.environment === 'live') throw new UsageError(`broker.environment is live: experiments are made on a practice account, or on the local broker`);
  await refuseBesideDaemon(config);
  const token = readToken(config.broker.tokenFile, process.env['CREDENTIALS_DIRECTORY']);
  mkdirSync(config.deployment.dataDirectory, { recursive: true, mode: 0o700 });
  const key = signingKey(options.key ?? join(config.deployment.dataDirectory, 'certificate-key.pem'));
  const clock = new SystemClock();
  const { restUrl, streamUrl, accountId } = config.broker;
  const broker = createOandaBroker({ restUrl, streamUrl, accountId, token, clock });
  const pool = createPool(brokerOrigins(restUrl, streamUrl).rest, new ConnectPacer(() => performance.now(), setTimeout));
  try {
    const instrument = await instrumentOf(broker, options.instrument ?? config.instruments[0]!.name);
    await refuseOccupied(broker);
    warn(`about thirty orders of one unit of ${instrument.name} go to ${config.broker.environment} account ${accountId}, each closed at once`);
    if (!(await confirmed('make the experiments?', options.yes, 'the experiments ask for confirmation, and there is no terminal: add --yes'))) return 1;
    const probe = new Probe({ pool, token, accountId, instrument: instrument.name, clock, runId: randomUUID().slice(0, 8) });
    const certificate = signCertificate(await perform(probe, chosen(allExperiments(broker, instrument, revocation), options.only), config, clock), key);
    const file = options.out ?? join(config.deployment.dataDirectory, 'certificate.json');
    writeCertificate(file, certificate);
    warn(`certificate written to ${file}`);
    return report(certificate, options.json);
  } finally {
    await broker.close();
    await pool.close();
  }
}

const allExperiments = (broker: Broker, instrument: Instrument, revocationMinutes: number | null): readonly Experiment[] => [
  ...openingExperiments(instrument), ...closingExperiments(instrument), ...readingExperiments(instrument, broker),
  ...(revocationMinutes === null ? [] : [tokenRevocation(broker, instrument.name, revocationMinutes, warn)]),
];

function minutesOf(text: string): number {
  const minutes = /^\d{1,2}(\.\d{1,2})?$/.test(text) ? Number(text) : 0;
  if (minutes > 0 && minutes <= REVOCATION_MINUTES_MAX) return minutes;
  throw new UsageError(`--await-revocation: give minutes, ${REVOCATION_MINUTES_MAX} at most`);
}

function chosen(experiments: readonly Experiment[], only: string | undefined): readonly Experiment[] {
  if (only === undefined) return experiments;
  const ids = only.split(',');
  const unknown = ids.find((id) => !experiments.some((experiment) => experiment.id === id));
  if (unknown !== undefined) throw new UsageError(`--only: there is no experiment "${unknown}"; there are ${experiments.map(({ id }) => id).join(', ')}`);
  return experiments.filter(({ id }) => ids.includes(id));
}

/** Two hands on one account would see each other's orders. */
export async function refuseBesideDaemon(config: Config): Promise<void> {
  const running = await fetchStatus(config.control.socketPath).then(() => true, (error: unknown) => {
    if (error instanceof DaemonNotRunningError) return false;
    throw error;
  });
  if (running) throw new UsageError('a daemon runs on this configuration: stop it first, its account is to be traded');
}

async function instrumentOf(broker: Broker, name: string): Promise<Instrument> {
  const instruments = await broker.instruments();
  const found = instruments.find((instrument) => instrument.name === name);
  if (found === undefined) throw new UsageError(`the account does not trade "${name.slice(0, 40)}": choose another with --instrument`);
  return found;
}

async function refuseOccupied(broker: Broker): Promise<void> {
  const account = await broker.account();
  if (account.hedgingEnabled) throw new UsageError('the account hedges: Reckoner trades netting accounts');
  if (account.trades.length > 0 || account.pendingOrders.length > 0) {
    throw new UsageError(`the account holds ${account.trades.length} trades and ${account.pendingOrders.length} orders: the experiments need it empty`);
  }
}

async function perform(probe: Probe, experiments: readonly Experiment[], config: Config, clock: Clock): Promise<Parameters<typeof signCertificate>[0]> {
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    const startedAt = formatInstant(clock.now());
    const startId = await probe.lastTransactionId();
    const results = await runExperiments(probe, experiments, startId, stop.signal, ({ id, verdict, observed }) => {
      if (process.stderr.isTTY) warn(`${id.padEnd(18)} ${verdict.padEnd(12)} ${observed}`);
    });
    return {
      build: BUILD,
      environment: config.broker.environment === 'local' ? 'local' : 'practice',
      accountId: config.broker.accountId,
      instrument: probe.instrument,
      startedAt,
      endedAt: formatInstant(clock.now()),
      experiments: [...results],
      exchanges: [...probe.exchanges],
    };
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

/** Says what a certificate says. @returns 1 when something relied on does not hold, 75 when a question stayed open. */
function report(certificate: Certificate, json: boolean): number {
  const { environment, accountId, endedAt, experiments } = certificate;
  const worst = (['unsafe', 'inconclusive'] as const).find((verdict) => experiments.some((experiment) => experiment.verdict === verdict));
  if (json) sayJson({ version: 1, environment, accountId, endedAt, key: fingerprintOf(certificate), experiments, switches: switchesOf(certificate) });
  else {
    say(table(experiments.map(({ id, verdict, observed }) => ({ id, verdict, observed }))));
    say(`\n${environment} account ${accountId}, ${endedAt}, signed by ${fingerprintOf(certificate)}`);
    say(`local broker switches ${JSON.stringify(switchesOf(certificate))}`);
  }
  return worst === 'unsafe' ? 1 : worst === 'inconclusive' ? EXIT.tryAgain : 0;
}

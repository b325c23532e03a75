#!/usr/bin/env node
/** The command line. Data on stdout, everything else on stderr; one exit code for each kind of failure. */
import { Command, CommanderError, Option } from 'commander';
import type { OperatorVerb } from '../adapters/control/protocol.ts';
import { backtest } from './commands/backtest.ts';
import type { BacktestOptions } from './commands/backtest.ts';
import { BROKER_HELP, runBroker } from './commands/broker.ts';
import type { BrokerCommand } from './commands/broker.ts';
import { BUILD, DEFAULT_CONFIG_FILE, exitCodeOf, warn } from './commands/common.ts';
import type { ConfigOption } from './commands/common.ts';
import { certify } from './commands/certify.ts';
import type { CertifyOptions } from './commands/certify.ts';
import { checkConfig, showConfig } from './commands/config.ts';
import { DRILL_HELP, emergencyDrill } from './commands/emergency-drill.ts';
import type { DrillOptions } from './commands/emergency-drill.ts';
import { FAULT_PROXY_HELP, runFaultProxy } from './commands/fault-proxy.ts';
import type { FaultProxyCommand } from './commands/fault-proxy.ts';
import { demo } from './commands/demo.ts';
import type { DemoOptions } from './commands/demo.ts';
import { writeFeatures } from './commands/features.ts';
import type { FeaturesCommand } from './commands/features.ts';
import { query, status, verify } from './commands/inspect.ts';
import type { OutputOptions, QueryOptions } from './commands/inspect.ts';
import { benchModel, inspectModel, swapModel, verifyModel } from './commands/model.ts';
import type { BenchOptions, ModelOptions, SwapOptions, VerifyOptions } from './commands/model.ts';
import { operate } from './commands/operate.ts';
import type { OperatorOptions } from './commands/operate.ts';
import { replay } from './commands/replay.ts';
import type { ReplayOptions } from './commands/replay.ts';
import { run } from './commands/run.ts';
import { EXIT } from './daemon/runtime.ts';

const program = new Command('reckoner')
  .description('Trades an OANDA v20 account from an append-only log, and proves every step of it.')
  .version(BUILD)
  .showSuggestionAfterError()
  .showHelpAfterError('(add --help for the options)')
  .exitOverride()
  .addHelpText('before', `Examples:
  npm run demo                                        trade a drawn market, offline, and see the books agree
  npm run demo -- --profile three                     the same with three instruments on one account
  npx reckoner run --config reckoner.yaml             run the daemon (practice by default, OBSERVING at first)
  npx reckoner status --config reckoner.yaml          mode, positions, distance to each limit
  npx reckoner arm --operator ada --reason "week 12"  let it trade
`)
  .addHelpText('after', `
Exit codes: 0 ok · 1 the answer is no · 30 store failed · 32 invariant broken · 33 replaced by a newer daemon · 64 usage · 69 broker or daemon unreachable · 75 try again · 78 configuration`);

/** Runs a command and keeps its exit code; a failure is one line on stderr. */
const act = (work: () => number | Promise<number>) => async (): Promise<void> => {
  try {
    process.exitCode = await work();
  } catch (error) {
    warn(`reckoner: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = exitCodeOf(error);
  }
};

const configOption = (): Option => new Option('-c, --config <file>', 'configuration').default(DEFAULT_CONFIG_FILE);
const repeated = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
const jsonOption = (): Option => new Option('--json', 'data as JSON on stdout').default(false);

program.command('demo').summary('trade a market offline, from start to agreement')
  .description('Starts the local broker and the daemon, trades a drawn market (or the file in RECKONER_BARS) in accelerated time, and compares log, read models, replay and broker.')
  .addOption(jsonOption())
  .option('--profile <name>', 'one: EUR_USD; three: EUR_USD, GBP_USD and USD_JPY on one account (default: RECKONER_DEMO, or one)')
  .action((options: DemoOptions) => act(() => demo(options))());

program.command('broker').summary('the local broker: an OANDA v20 server')
  .option('--port <n>', 'REST port; 0 for any', '0')
  .option('--stream-port <n>', 'stream port; 0 for any', '0')
  .option('--token-file <file>', 'file with the token; without one a token is made')
  .option('--account <id>', 'account id')
  .option('--instrument <names>', 'a pair that it offers, or several with commas; may be repeated (default: the usual ten in real time, EUR_USD in lockstep)', repeated)
  .option('--bars <file>', 'lockstep: play a CSV of one-minute bars (.gz too) of the one instrument; NAME=FILE, repeated, for several', repeated)
  .option('--spread-pips <n>', 'spread around a file of mid prices')
  .option('--seed <n>', 'seed of the drawn market', '1')
  .option('--drawn-bars <n>', 'lockstep: bars to draw ahead of the clock, for the first instrument; the others reach as far')
  .option('--drawn-from <time>', 'lockstep: where the drawn market begins, such as 2026-01-08T08:00:00Z')
  .option('--clock <kind>', 'realtime or lockstep', 'realtime')
  .option('--always-open', 'keep the market open on every day', false)
  .option('--hold', 'lockstep: stand still until told to start', false)
  .option('--certificate <file>', 'behave like the account that was certified').option('--switch <name=value>', 'turn one switch of its behaviour; may be repeated', repeated)
  .option('--rate-limits', 'real time: answer 429 beyond 120 requests or 2 new connections a second', false)
  .option('--retry-after <seconds>', 'with --rate-limits: the Retry-After that a 429 carries')
  .option('--faults <file>', 'fail as a fault plan (YAML or JSON) says')
  .option('--fault-log <file>', 'append the plan and every fault to a file of JSON lines')
  .addHelpText('after', BROKER_HELP)
  .action((options: BrokerCommand) => act(() => runBroker(options))());

program.command('certify').summary('ask a practice account what only an account can answer').addOption(configOption()).addOption(jsonOption())
  .description('Makes experiments with orders of one unit on the configured practice account (or the local broker) and writes a signed certificate: what was expected, what was seen, every exchange.')
  .option('--practice', 'let it trade the account', false).option('--yes', 'do not ask', false)
  .option('--instrument <name>', 'the pair; the first configured one when left out').option('--only <ids>', 'some experiments, separated by commas')
  .option('--out <file>', 'the certificate; in the data directory when left out').option('--key <file>', 'signing key; made when there is none')
  .option('--await-revocation <minutes>', 'at the end, ask you to revoke the token and watch what becomes of reads and streams')
  .option('--check <file>', 'read a certificate and check its signature')
  .action((options: CertifyOptions) => act(() => certify(options))());

program.command('backtest').summary('a policy on files of bars, as fast as the machine').addOption(jsonOption())
  .description('Plays one-minute bars through the core that trades live and the engine of the local broker, in one process.')
  .requiredOption('--bars <file>', 'CSV of one-minute bars (.gz too), or PAIR=FILE for each of several', repeated)
  .option('--policy <policy>', 'hold, sma-cross:FAST,SLOW, random:SEED, or the directory of a model; the configured one when left out')
  .option('-c, --config <file>', 'configuration; a profile for backtests when left out')
  .option('--spread-pips <n>', 'spread around a file of mid prices').option('--trades <file>', 'write the trades as CSV')
  .option('--log <directory>', 'keep the log there; in memory when left out').option('--no-hashing', 'a log in memory without its chain: faster')
  .action((options: BacktestOptions) => act(() => backtest(options))());

program.command('fault-proxy').summary('a TCP proxy that fails on purpose')
  .requiredOption('--to <host:port>', 'the server behind it')
  .option('--listen <n>', 'port; 0 for any', '0')
  .option('--plan <file>', 'what it does to connections (YAML or JSON); nothing without it')
  .option('--log <file>', 'append every strike to a file of JSON lines')
  .addHelpText('after', FAULT_PROXY_HELP)
  .action((options: FaultProxyCommand) => act(() => runFaultProxy(options))());

program.command('emergency-drill').summary('measure how long an emergency close takes').addOption(configOption()).addOption(jsonOption())
  .option('--environment <name>', 'local: a local broker of its own; practice: the configured practice account', 'local')
  .option('--runs <n>', 'closes to time', '20').option('--pairs <names>', 'pairs in which a position is opened each time', 'EUR_USD,USD_JPY,GBP_USD')
  .option('--round-trip-ms <n>', 'local: how much longer every exchange takes', '300')
  .option('--record <file>', 'append the figures to a file of JSON lines', 'data/drills.jsonl').option('--yes', 'practice: do not ask', false)
  .addHelpText('after', DRILL_HELP)
  .action((options: DrillOptions) => act(() => emergencyDrill(options))());

program.command('run').summary('run the daemon').addOption(configOption()).action((options: ConfigOption) => act(() => run(options))());

program.command('status').summary('mode, positions, profit, distance to limits').addOption(configOption()).addOption(jsonOption())
  .action((options: OutputOptions) => act(() => status(options))());

program.command('query [read-model]').summary('read the log’s read models, or ask in SQL').addOption(configOption()).addOption(jsonOption())
  .option('--csv', 'comma-separated', false).option('--sql <select>', 'one SELECT over the log and its read models').option('--limit <n>', 'rows at most', '1000')
  .action((name: string | undefined, options: QueryOptions) => act(() => query(name, options))());

program.command('replay').summary('rebuild the read models, or make every decision again, from the log alone, and compare').addOption(configOption()).addOption(jsonOption())
  .option('--decisions', 'make every decision again: features from the logged bars, the search from its recorded heads, and the networks where their model is at hand', false)
  .option('--until <event>', 'sequence of the last event to replay').option('--model <dir>', 'with --decisions: where a model lies that is neither configured nor bundled; may be repeated', repeated)
  .action((options: ReplayOptions) => act(() => replay(options))());

program.command('verify').summary('recompute the log’s hash chains').addOption(configOption()).addOption(jsonOption())
  .action((options: OutputOptions) => act(() => verify(options))());

program.command('features').summary('write the rows that a policy would see, for a trainer of your own')
  .requiredOption('--set <id>', 'feature set: swt-137, swt-76 or micro-32x15')
  .requiredOption('--bars <file>', 'CSV of one-minute bars in UTC (.gz too)')
  .option('--out <file>', 'ends in .csv or .parquet; without it, CSV on stdout')
  .option('--instrument <name>', 'the pair that the bars are of', 'EUR_USD')
  .option('--spread-pips <n>', 'spread around a file of mid prices', '0')
  .option('--window-gap-minutes <n>', 'open minutes that a window may cross (trading.windowGapMinutesMax)', '10')
  .option('--always-open', 'the market is open on every day', false)
  .action((options: FeaturesCommand) => act(() => writeFeatures(options))());

const VERBS: { readonly [verb in OperatorVerb]: string } = {
  arm: 'let the daemon trade; shows the worst loss first',
  disarm: 'stop opening; reduce, then observe',
  halt: 'stop policy orders at once',
  resume: 'leave a halt',
  reconcile: 'compare ledger and broker now, and say what came of it',
  acknowledge: 'let a foreign trade or an unknown transaction stand',
};
for (const [verb, summary] of Object.entries(VERBS) as [OperatorVerb, string][]) {
  const command = program.command(verb).summary(summary).addOption(configOption()).addOption(jsonOption())
    .requiredOption('--operator <name>', 'who you are; recorded').requiredOption('--reason <text>', 'why; recorded');
  if (verb === 'arm') command.option('--yes', 'do not ask', false);
  if (verb === 'acknowledge') command.option('--trade <id>', 'the foreign trade').option('--transaction <id>', 'the transaction that requires a review');
  command.action((options: OperatorOptions) => act(() => operate(verb, options))());
}

program.command('swap-model').summary('let another model decide; verified first, beside the present one').addOption(configOption()).addOption(jsonOption())
  .requiredOption('--directory <dir>', 'where the model lies').requiredOption('--operator <name>', 'who you are; recorded').requiredOption('--reason <text>', 'why; recorded')
  .action((options: SwapOptions) => act(() => swapModel(options))());

const model = program.command('model').summary('inspect, verify or time a model directory');
model.command('inspect <dir>').summary('what the files say of themselves: shapes, metadata, operators; runs nothing').addOption(jsonOption())
  .action((directory: string, options: ModelOptions) => act(() => inspectModel(directory, options))());
const expectingOption = (): Option => new Option('-c, --config <file>', 'the configuration that the model must fit; without one its own features and discount are taken');
model.command('verify <dir>').summary('run every check of the contract').addOption(expectingOption()).addOption(jsonOption())
  .action((directory: string, options: VerifyOptions) => act(() => verifyModel(directory, options))());
model.command('bench <dir>').summary('time its networks').addOption(expectingOption()).addOption(jsonOption()).option('--decisions <n>', 'decisions to time', '200')
  .action((directory: string, options: BenchOptions) => act(() => benchModel(directory, options))());

const config = program.command('config').summary('show or check the configuration');
config.command('show').summary('every value and where it comes from').addOption(configOption()).addOption(jsonOption())
  .action((options: ConfigOption & { json: boolean }) => act(() => showConfig(options))());
config.command('check').summary('load and cross-check').addOption(configOption()).action((options: ConfigOption) => act(() => checkConfig(options))());

// A reader that has seen enough closes the pipe: that is its right, and no fault of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.ok);
});

try {
  if (process.argv.length <= 2) program.outputHelp();
  else await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
}

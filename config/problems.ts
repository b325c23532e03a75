/** What is wrong with a configuration, said so that the reader can go to the place and mend it. */

export interface ConfigProblem {
  /** `reckoner.yaml:12:3`, `environment RECKONER_BROKER_CLOCK`, or `reckoner.yaml` for the file as a whole. */
  readonly place: string;
  /** Dotted path of the key (`instruments.0.stopLossPips`); empty for the file as a whole. */
  readonly field: string;
  readonly what: string;
  readonly remedy: string;
}

const lineOf = (problem: ConfigProblem): string =>
  `${problem.place}${problem.field === '' ? '' : ` ${problem.field}`}: ${problem.what}; ${problem.remedy}`;

/** Carries every problem found, not just the first. The message has one line for each. Exit code 78. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(lineOf).join('\n'));
    this.problems = problems;
  }
}

/** What zod finds wrong, said so that the reader can mend it. */
import type { z } from 'zod';
import type { Path } from './source.ts';

/** What zod found, in the reader's words. One unrecognised-keys issue can name several keys. */
export function* issueProblems(issue: z.core.$ZodIssue, describe: (path: Path) => string): Generator<{ path: Path; key: string | null; what: string; remedy: string }> {
  const path = issue.path.map((segment) => (typeof segment === 'symbol' ? String(segment) : segment));
  const description = describe(path);
  const remedy = description === '' ? 'correct it' : description;
  switch (issue.code) {
    case 'unrecognized_keys':
      for (const key of issue.keys) yield { path, key, what: `${key} is not a known key`, remedy: 'remove it or correct its spelling' };
      return;
    case 'invalid_type':
      if (issue.input === undefined) yield { path, key: null, what: 'is required', remedy: `add it: ${remedy}` };
      else yield { path, key: null, what: issue.expected === 'object' ? 'must be a section with keys of its own' : issue.expected === 'array' ? 'must be a list' : 'must be a single value', remedy };
      return;
    case 'invalid_value':
      yield { path, key: null, what: issue.input === undefined ? 'is required' : issue.values.length === 1 || issue.message.startsWith('must') ? issue.message : `must be one of ${issue.values.map(String).join(', ')}`, remedy };
      return;
    case 'invalid_union':
      yield { path, key: null, what: 'options' in issue && issue.options !== undefined ? `must be one of ${issue.options.map(String).join(', ')}` : issue.message, remedy };
      return;
    default:
      yield { path, key: null, what: issue.message, remedy };
  }
}

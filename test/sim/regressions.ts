/** Seeds that once showed a fault of the product, each with what it showed; they are run again with every test. */
export const REGRESSIONS: readonly { readonly seed: bigint; readonly what: string }[] = [
  { seed: 41n, what: 'the wall clock was set back, and every timer that stood waited for as long as it had been moved' },
  { seed: 324n, what: 'a kill within an append kept the review of a close by another hand and lost the halt behind it' },
  { seed: 3473n, what: 'a kill within an append kept a margin closeout and lost its halt' },
  { seed: 6342n, what: 'a stop that was lost for good was looked at every two seconds of a weekend' },
];

/** Seeds that show a fault which is not mended yet: the test says so, and fails when one of them begins to hold. */
export const KNOWN_FAILURES: readonly { readonly seed: bigint; readonly code: string; readonly what: string }[] = [];

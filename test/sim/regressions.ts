/** Seeds that once showed a fault of the product, each with what it showed; they are run again with every test. */
export const REGRESSIONS: readonly { readonly seed: bigint; readonly what: string }[] = [];

/** Seeds that show a fault which is not mended yet: the test says so, and fails when one of them begins to hold. */
export const KNOWN_FAILURES: readonly { readonly seed: bigint; readonly code: string; readonly what: string }[] = [];

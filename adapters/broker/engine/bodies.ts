import type { Instant } from '../../../domain/time.ts';

/** JSON as the v20 wire carries it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type Body = { readonly [key: string]: Json };
/** A body under construction: fields that are undefined are left out by `compact`. */
type OptionalBody = { readonly [key: string]: Json | undefined };

/** Drops the fields that are undefined, keeping the order of the others. */
export function compact(fields: OptionalBody): Body {
  const body: { [key: string]: Json } = {};
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    if (value !== undefined) body[key] = value;
  }
  return body;
}

/** One entry of the account's ledger, the way `sinceid` prints it. */
export interface Transaction {
  readonly id: number;
  readonly type: string;
  readonly at: Instant;
  readonly body: Body;
}

/** What the client may attach to orders and trades. */
export interface ClientExtensions {
  readonly id?: string;
  readonly tag?: string;
  readonly comment?: string;
}

export const extensionsBody = (extensions: ClientExtensions | null): Body | undefined =>
  extensions === null ? undefined : compact({ id: extensions.id, tag: extensions.tag, comment: extensions.comment });

export const isBody = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

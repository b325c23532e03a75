/**
 * The second operator: where configuration demands one, what one person says is a request, and another who says the
 * same carries it out. A request is bound to what stood when it was made and stands for ten minutes; it is a fold of
 * the log, so a restart forgets none. Whatever stops trading asks nobody twice.
 */
import type { DataOf, DomainEvent } from './events.ts';
import type { Instant } from './time.ts';
import { MINUTE_MS, formatInstant, plusMs } from './time.ts';

export const SECOND_OPERATOR = ['none', 'arm', 'armAndResume'] as const;
/** What takes two people: nothing, arming, or leaving a halt as well. */
export type SecondOperator = (typeof SECOND_OPERATOR)[number];

const REQUEST_MS = 10 * MINUTE_MS;

/** What stood when somebody asked: mode, position, worst loss, and what would trade. */
export type Shown = DataOf<'CommandRequested'>['shown'];

export interface CommandRequest extends DataOf<'CommandRequested'> {
  readonly at: Instant;
}

type Asked = Pick<DataOf<'CommandRequested'>, 'verb' | 'operator' | 'reason'>;
export type Consent = { readonly kind: 'given' | 'asked' | 'refused'; readonly message: string; readonly events: readonly DomainEvent[] };

export const takesTwo = (demanded: SecondOperator, verb: Asked['verb']): boolean => demanded === 'armAndResume' || (demanded === 'arm' && verb === 'arm');

export const standsUntil = ({ at }: CommandRequest): Instant => plusMs(at, REQUEST_MS);
export const stands = (request: CommandRequest, now: Instant): boolean => now < standsUntil(request);

/** One person with two spellings of a name is no second person. */
const isSame = (one: string, other: string): boolean => plain(one) === plain(other);
const plain = (name: string): string => name.normalize('NFKC').replaceAll(/[\s._-]+/gu, ' ').trim().toLowerCase();

const positionText = ({ position }: Shown): string => position.map(({ tradeId, instrument, units }) => `${units} ${instrument} (trade ${tradeId})`).join(', ') || 'flat';
const modeText = ({ mode, causes }: Shown): string => (causes.length === 0 ? mode : `${mode} for ${causes.join(', ')}`);

/** What is no longer as it was shown, as `mode OBSERVING, now REDUCING`; empty when nothing changed. */
function changesOf(before: Shown, now: Shown): readonly string[] {
  const changed = (what: string, was: string, is: string): readonly string[] => (was === is ? [] : [`${what} ${was}, now ${is}`]);
  return [
    ...changed('mode', modeText(before), modeText(now)),
    ...(modeText(before) === modeText(now) && before.modeSince !== now.modeSince ? [`mode ${now.mode} was left and entered again`] : []),
    ...changed('position', positionText(before), positionText(now)),
    ...changed('worst loss', `${before.worstLoss} ${before.currency}`, `${now.worstLoss} ${now.currency}`),
    ...(before.identity === now.identity ? [] : ['build, configuration or model are others']),
  ];
}

function ask(asked: Asked, shown: Shown, now: Instant): Consent {
  const until = formatInstant(plusMs(now, REQUEST_MS));
  return {
    kind: 'asked',
    message: `${asked.verb} is requested, and takes another operator: mode ${modeText(shown)}, position ${positionText(shown)}, worst loss ${shown.worstLoss} ${shown.currency}. Until ${until} somebody else says \`${asked.verb}\` to carry it out`,
    events: [{ type: 'CommandRequested', data: { ...asked, shown } }],
  };
}

/** A request that ends without having been carried out says why, and what to do. */
function lapse(request: CommandRequest, by: string, cause: 'late' | 'changed', detail: string): Consent {
  return {
    kind: 'refused',
    message: `the request of ${request.operator} to ${request.verb} ${detail}: nothing was done and it is void. Look at \`status\`, then say \`${request.verb}\` again for a request of your own`,
    events: [{ type: 'CommandRequestLapsed', data: { verb: request.verb, operator: request.operator, cause, detail: detail.slice(0, 2_000), by } }],
  };
}

/** Decides what somebody's word is: the first one, the second one, or none. */
export function decideConsent(request: CommandRequest | null, asked: Asked, shown: Shown, now: Instant): Consent {
  if (request === null || request.verb !== asked.verb) return ask(asked, shown, now);
  const changes = changesOf(request.shown, shown);
  const isVoid = !stands(request, now) || changes.length > 0;
  if (isSame(request.operator, asked.operator)) {
    // Their own request that no longer stands they may make anew.
    if (isVoid) return ask(asked, shown, now);
    return { kind: 'refused', message: `${request.operator} has requested this at ${formatInstant(request.at)} already: until ${formatInstant(standsUntil(request))} another operator must say \`${asked.verb}\``, events: [] };
  }
  if (!stands(request, now)) return lapse(request, asked.operator, 'late', `stood until ${formatInstant(standsUntil(request))}, and it is ${formatInstant(now)}`);
  if (changes.length > 0) return lapse(request, asked.operator, 'changed', `was for what has changed since (${changes.join('; ')})`);
  const { operator: requestedBy, reason: requestReason, at } = request;
  return {
    kind: 'given',
    message: `requested by ${requestedBy}`,
    events: [{ type: 'CommandSeconded', data: { ...asked, requestedBy, requestReason, requestedAt: formatInstant(at) } }],
  };
}

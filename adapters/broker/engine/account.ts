/** The account itself: how it opens, and what its owner configures. */
import type { Transaction } from './bodies.ts';
import { compact, isBody } from './bodies.ts';
import type { Context } from './context.ts';
import type { Decimal} from './decimals.ts';
import { ONE, printDecimal, printMoney, readDecimal } from './decimals.ts';
import type { Invalid, Receipt, Rejected } from './outcomes.ts';
import { guarded } from './outcomes.ts';
import { NOT_AN_OBJECT, RejectedRequest, optionalText } from './requests.ts';
import { accountValue, marginShare } from './valuation.ts';
import type { Instant } from '../../../domain/time.ts';

const ALIAS_LENGTH_MAX = 128;

/** Opens the account: it is created, configured and funded. */
export function openAccount(context: Context, openedAt: Instant): void {
  const { settings, ledger, book } = context;
  const [siteId, divisionId, userId, accountNumber] = settings.accountId.split('-').map(Number);
  const balance = readDecimal(settings.balance);
  if (balance === null || balance.isNegative()) throw new Error(`balance: "${settings.balance}" is no amount such as 100000`);
  if (siteId === undefined || divisionId === undefined || userId === undefined || !Number.isSafeInteger(accountNumber)) {
    throw new Error(`accountId: "${settings.accountId}" is no account id such as 101-001-1234567-001`);
  }
  const opening = ledger.begin({ at: openedAt, requestId: null, byClient: true });
  opening.add('CREATE', { divisionID: divisionId, siteID: siteId, accountUserID: userId, accountNumber, homeCurrency: settings.currency });
  opening.add('CLIENT_CONFIGURE', { alias: settings.alias });
  book.balance = balance;
  ledger
    .begin({ at: openedAt, requestId: null, byClient: true })
    .add('TRANSFER_FUNDS', { amount: printMoney(balance), fundingReason: 'CLIENT_FUNDING', accountBalance: printMoney(balance) });
}

/** Checks that a margin rate would neither close the account out nor call its margin. */
function checkMarginRate(context: Context, rate: Decimal): void {
  const { book } = context;
  const standing = book.marginRate;
  book.marginRate = rate;
  const share = marginShare(accountValue(book, context.settings));
  book.marginRate = standing;
  if (share.greaterThanOrEqualTo(2)) throw new RejectedRequest('MARGIN_RATE_WOULD_TRIGGER_CLOSEOUT');
  if (share.greaterThanOrEqualTo(1)) throw new RejectedRequest('MARGIN_RATE_WOULD_TRIGGER_MARGIN_CALL');
}

export type ConfigureOutcome = Rejected | Invalid | { readonly kind: 'configured'; readonly transaction: Transaction };

/** Sets the account's alias, its own margin rate, or both. */
export function configure(context: Context, body: unknown, receipt: Receipt): ConfigureOutcome {
  if (!isBody(body)) return { kind: 'invalid', message: NOT_AN_OBJECT };
  const { book } = context;
  const cut = (value: unknown): string | undefined => (typeof value === 'string' ? value.slice(0, ALIAS_LENGTH_MAX) : undefined);
  const echoed = compact({ alias: cut(body['alias']), marginRate: cut(body['marginRate']) });
  return guarded(context, receipt, 'CLIENT_CONFIGURE_REJECT', echoed, (batch) => {
    const [alias, rateText] = [optionalText(body, 'alias', 'body'), optionalText(body, 'marginRate', 'body')];
    if (book.lock === 'ACCOUNT_LOCKED' || book.lock === 'ACCOUNT_CONFIGURATION_LOCKED') throw new RejectedRequest(book.lock);
    if (alias === null && rateText === null) throw new RejectedRequest('CLIENT_CONFIGURE_DATA_MISSING');
    if (alias !== null && alias.length > ALIAS_LENGTH_MAX) throw new RejectedRequest('ALIAS_INVALID');
    const rate = rateText === null ? null : readDecimal(rateText);
    if (rateText !== null && (rate === null || rate.lessThanOrEqualTo(0) || rate.greaterThan(ONE))) throw new RejectedRequest('MARGIN_RATE_INVALID');
    if (rate !== null) checkMarginRate(context, rate);
    if (alias !== null) book.alias = alias;
    if (rate !== null) book.marginRate = rate;
    book.rough = null;
    const transaction = batch.add('CLIENT_CONFIGURE', { alias: alias ?? undefined, marginRate: rate === null ? undefined : printDecimal(rate) });
    return { kind: 'configured', transaction };
  });
}

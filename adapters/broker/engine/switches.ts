/**
 * Every behaviour of the real broker that is not established is a switch here. Each names the place of the open
 * question in the OANDA v20 facts, its default and, through its schema, the alternatives. The record is plain JSON:
 * a command line or a certificate of a real account can set it.
 */
import { z } from 'zod';

/** The sections in the descriptions are those of the OANDA v20 facts. */
export const switchesSchema = z.strictObject({
  slotTaken: z
    .enum(['cancel', 'reject', 'ignore'])
    .default('cancel')
    .describe('6.2: a client trade id that an open trade has ends the order at its fill (cancel), refuses it at its receipt (reject), or locks nothing (ignore)'),
  duplicateOrderId: z
    .enum(['reject', 'accept'])
    .default('reject')
    .describe('6.2: a client order id that a pending order has: CLIENT_ORDER_ID_ALREADY_EXISTS, or a second order under it'),
  nothingToReduce: z
    .enum(['cancel', 'reject'])
    .default('cancel')
    .describe('6.1: REDUCE_ONLY with nothing to reduce: 201 with a cancel at the fill, or 400 at the receipt'),
  positionFillRefusal: z
    .string()
    .regex(/^[A-Z_]{1,64}$/)
    .default('FIFO_VIOLATION')
    .describe('6.1: the cancel reason of a fill that its positionFill forbids: nothing or too little to reduce, or OPEN_ONLY against an opposite position'),
  tradeCloseOrder: z
    .enum(['any', 'oldest first'])
    .default('any')
    .describe('9: closing a trade while an older one of its side is open: allowed, or cancelled as FIFO_VIOLATION'),
  tradeCloseDefaultUnits: z.enum(['ALL', 'missing']).default('ALL').describe('7: units left out when a trade is closed: all of it, or 400 CLOSE_TRADE_PARTIAL_UNITS_MISSING'),
  missingPositionStatus: z
    .enum(['404 when flat', '400', '404'])
    .default('404 when flat')
    .describe('8: the status that goes with CLOSEOUT_POSITION_DOESNT_EXIST; both were recorded, on flat instruments'),
  bothSidesAll: z
    .enum(['reject', 'held side'])
    .default('reject')
    .describe('8: ALL for both sides of a position that has one: 400, or the held side is closed'),
  closeoutExtensions: z.enum(['echoed', 'dropped']).default('echoed').describe('12: are longClientExtensions and shortClientExtensions on the orders of a position close?'),
  partialFill: z
    .enum(['reissue', 'keep'])
    .default('reissue')
    .describe('6.1: what is left of a resting order after a partial fill: a new order that replaces it, or the same order'),
  immediateLimitMissed: z
    .enum(['BOUNDS_VIOLATION', 'INSUFFICIENT_LIQUIDITY', 'TIME_IN_FORCE_EXPIRED'])
    .default('BOUNDS_VIOLATION')
    .describe('6.1: the cancel reason of a FOK or IOC order that the next price does not reach'),
  insufficientMargin: z
    .enum(['cancel', 'reject'])
    .default('cancel')
    .describe('12: too little margin: 201 with a cancel as for MARKET_HALTED, or 400 at the receipt'),
  marginAvailableFloor: z.enum(['zero', 'none']).default('zero').describe('2: is marginAvailable ever printed below zero?'),
  unitsMinimumSpelling: z
    .enum(['UNITS_MINIMUM_NOT_MET', 'UNITS_MIMIMUM_NOT_MET'])
    .default('UNITS_MINIMUM_NOT_MET')
    .describe('9: the 2018 file and the site spell this reject reason differently'),
  idRangeMax: z.number().int().min(1).max(100_000).default(1_000).describe('5: transactions that one idrange may span; more is 400'),
  financingMinute: z
    .number()
    .int()
    .min(0)
    .max(1_439)
    .default(1_020)
    .describe('11: minute of the New York day at which financing is booked: the site says 17:00 (1020), a recording of 2017 shows 16:00 (960)'),
});

/** One setting of every switch. */
export type Switches = z.infer<typeof switchesSchema>;

/** The defaults with some switches turned. */
export const switchesWith = (turned: Partial<Switches> = {}): Switches => switchesSchema.parse(turned);

// What the writer and the reader of stored bytes have to agree on.

/** Divisors of decimals, by scale: a number's first byte has the scale in bits 0–2, the sign in 3, three bits of the integer
 *  in 4–6, and in bit 7 whether more follows. */
export const POWERS: readonly number[] = [1, 10, 100, 1_000, 10_000];
/** First byte of a number that is stored as its eight bytes. */
export const NUMBER_RAW = 7;
export const VARINT_MAX_BYTES = 9;
/** At most this for one `number`. */
export const NUMBER_MAX_BYTES = 10;

/** `parameter`: no such transform; `fftSize`: no such Fourier transform; the others: no such window or output. */
export type ScatteringErrorCode = 'parameter' | 'fftSize' | 'windowLength' | 'outputLength' | 'nonFinite';

/** Raised for a transform that cannot be planned and for arrays that a plan cannot take. */
export class ScatteringError extends Error {
  override readonly name = 'ScatteringError';
  readonly code: ScatteringErrorCode;
  constructor(code: ScatteringErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

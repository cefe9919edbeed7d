/** Why no server could listen at an address. */
export type ListenFault = 'address_in_use' | 'address_unavailable' | 'not_permitted' | 'failed';

/** The health endpoint could not be opened; the program ends with 69. */
export class ListenError extends Error {
  readonly fault: ListenFault;

  constructor(fault: ListenFault, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ListenError';
    this.fault = fault;
  }
}

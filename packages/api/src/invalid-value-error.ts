// A value that the schema lets through but that cannot be meant.

export class InvalidValueError extends Error {
  override readonly name = "InvalidValueError";
  /** Path of the field where it is known, for example `spec.libvirt.checksum`. */
  readonly field: string | undefined;

  constructor(message: string, options: { readonly field?: string } = {}) {
    super(message);
    this.field = options.field;
  }
}

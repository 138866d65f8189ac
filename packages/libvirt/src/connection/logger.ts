// What the client tells of itself. pino's loggers have this shape.

export interface LibvirtLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLogger: LibvirtLogger = { debug() {}, info() {}, warn() {}, error() {} };

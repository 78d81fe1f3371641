// Allowed: generated code uses the reader and writer of the wire format.
export { BinaryReader } from '@bufbuild/protobuf/wire';

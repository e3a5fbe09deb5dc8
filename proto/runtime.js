// The protobuf runtime of the generated code, set up once: u64 fields are plain numbers, never Long objects.
// A value of 2^53 or more decodes to a number for which Number.isSafeInteger is false (the codec refuses it before).
import protobuf from 'protobufjs/minimal.js'

protobuf.util.Long = null
protobuf.configure()

export default protobuf

"""Native code of an integer program: the lanes of its values, the order of its operations, their C++, the library."""

from trigforge.firmware.native.c_vector import VectorCode
from trigforge.firmware.native.code import vector_code
from trigforge.firmware.native.compile import compiler_path, load_native, load_roofs

__all__ = ["VectorCode", "compiler_path", "load_native", "load_roofs", "vector_code"]

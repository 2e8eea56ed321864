"""A drop-in for ``torch.nn.init``: the same names, signatures, errors and warnings.

::

    import fanin.nn_init as init   # instead of: import torch.nn.init as init

The numbers are fanin's noise, in place of torch's Mersenne twister. Every call that draws takes
one integer from torch's generator (``generator=``, or the default one of the tensor's device)
and fills the tensor from the stream of that seed. So under ``torch.manual_seed(s)`` two calls
differ, the same program gives the same bits again, and the bits of a call do not depend on
threads, instruction set, strides or, for one seed, the device.

What differs from torch, on purpose:

- The numbers themselves, and how far a call advances the generator: always by one integer.
- ``trunc_normal_`` draws by inversion. Nothing is rejected, so far cuts cost what near ones do,
  and no value of any type lies outside [a, b]. A one-sided cut in the tail works.
- float64, bfloat16 and float16 are float32 numbers, rounded once (and moved inside the bounds
  of ``uniform_`` and ``trunc_normal_`` where rounding would leave them).
- ``orthogonal_`` draws bfloat16 and float16, and channels-last tensors.
- ``sparse_`` takes the places of its zeros from ``generator`` too; torch takes the default one.
- ``calculate_gain`` and the Kaiming functions know gelu, silu, elu and other activations that
  torch refuses.
- ``generator`` may live on another device than the tensor.
- ``dirac_`` leaves a weight alone whose kernel has no elements; torch raises IndexError.

Left to torch's own functions, with their results and their errors: tensors of classes that
override torch's operations (DTensor, FakeTensor), on the meta device, sparse, quantized, of
integers or eight-bit floats, whose elements share memory, conjugated or negated views, inside
``torch.func.vmap`` or ``torch.compile``; complex tensors except in ``uniform_`` and ``normal_``;
and arguments that float32 cannot hold or that name no distribution. TorchScript cannot compile
these functions.
"""

from fanin.nn_init.deprecated import (
    _make_deprecate as _make_deprecate,
)
from fanin.nn_init.deprecated import (
    constant,
    dirac,
    eye,
    kaiming_normal,
    kaiming_uniform,
    normal,
    orthogonal,
    sparse,
    uniform,
    xavier_normal,
    xavier_uniform,
)
from fanin.nn_init.elementary import (
    _no_grad_normal_ as _no_grad_normal_,
)
from fanin.nn_init.elementary import (
    _no_grad_trunc_normal_ as _no_grad_trunc_normal_,
)
from fanin.nn_init.elementary import (
    _no_grad_uniform_ as _no_grad_uniform_,
)
from fanin.nn_init.elementary import normal_, trunc_normal_, uniform_
from fanin.nn_init.exact import (
    _no_grad_fill_ as _no_grad_fill_,
)
from fanin.nn_init.exact import (
    _no_grad_zero_ as _no_grad_zero_,
)
from fanin.nn_init.exact import constant_, dirac_, eye_, ones_, zeros_
from fanin.nn_init.gains import calculate_gain
from fanin.nn_init.matrices import orthogonal_, sparse_
from fanin.nn_init.scaled import (
    _calculate_correct_fan as _calculate_correct_fan,
)
from fanin.nn_init.scaled import (
    _calculate_fan_in_and_fan_out as _calculate_fan_in_and_fan_out,
)
from fanin.nn_init.scaled import (
    kaiming_normal_,
    kaiming_uniform_,
    xavier_normal_,
    xavier_uniform_,
)

# In torch's order.
__all__ = [  # noqa: RUF022
    "calculate_gain",
    "uniform_",
    "normal_",
    "trunc_normal_",
    "constant_",
    "ones_",
    "zeros_",
    "eye_",
    "dirac_",
    "xavier_uniform_",
    "xavier_normal_",
    "kaiming_uniform_",
    "kaiming_normal_",
    "orthogonal_",
    "sparse_",
    "uniform",
    "normal",
    "constant",
    "eye",
    "dirac",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
    "orthogonal",
    "sparse",
]

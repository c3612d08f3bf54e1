// The interface of hls4ml emulators: a library "<name>.so" with create_model and destroy_model.
//
// Binary compatible with hls4mlEmulatorExtras (https://github.com/cms-hls4ml/hls4mlEmulatorExtras), whose header takes
// its place where the experiment provides it; hence the same include guard.
#ifndef HLS4ML_EMULATOR_H_
#define HLS4ML_EMULATOR_H_

#include <any>

namespace hls4mlEmulator {

// The order of these functions is the layout of the virtual table.
class Model {
public:
    virtual void prepare_input(std::any input) = 0;
    virtual void predict() = 0;
    virtual void read_result(std::any result) = 0;
    virtual ~Model() = default;
};

typedef Model *create_model_cls();
typedef void destroy_model_cls(Model *);

}  // namespace hls4mlEmulator

#endif
